from keras_handpose import cameras as cameras
from keras_handpose import layers as layers
from keras_handpose import models as models
from keras_handpose import preprocessing as preprocessing
from keras_handpose import skeletons as skeletons
from keras_handpose import synthetic as synthetic
from keras_handpose.cameras import CAMERAS as CAMERAS
from keras_handpose.cameras import Camera as Camera
from keras_handpose.cameras import uvd_to_xyz as uvd_to_xyz
from keras_handpose.cameras import xyz_to_uvd as xyz_to_uvd
from keras_handpose.estimator import HandPoseEstimator as HandPoseEstimator
from keras_handpose.estimator import Pose as Pose
from keras_handpose.layers import AttentionModule as AttentionModule
from keras_handpose.layers import PCAPrior as PCAPrior
from keras_handpose.layers import ResidualUnit as ResidualUnit
from keras_handpose.models import ResidualAttentionRegressor as ResidualAttentionRegressor
from keras_handpose.models import weights as weights
from keras_handpose.plotting import plot_pose as plot_pose
from keras_handpose.preprocessing import Crop as Crop
from keras_handpose.preprocessing import Detection as Detection
from keras_handpose.preprocessing import HandCube as HandCube
from keras_handpose.preprocessing import crop_hand as crop_hand
from keras_handpose.preprocessing import detect_hand as detect_hand
from keras_handpose.preprocessing import read_depth as read_depth
from keras_handpose.preprocessing import refine_centre as refine_centre
from keras_handpose.skeletons import ICVL16 as ICVL16
from keras_handpose.skeletons import MSRA21 as MSRA21
from keras_handpose.skeletons import NYU14 as NYU14
from keras_handpose.skeletons import SKELETONS as SKELETONS
from keras_handpose.skeletons import Skeleton as Skeleton
from keras_handpose.skeletons import convert_joints as convert_joints
from keras_handpose.skeletons import corresponding_joints as corresponding_joints

__version__: str
__all__: list[str]
