"""Run the command line as ``python -m keras_handpose``."""

from keras_handpose.cli import main

if __name__ == "__main__":
    main()
