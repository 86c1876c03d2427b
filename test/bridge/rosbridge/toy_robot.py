"""A ROS 1 robot with one wheel pair and a camera, for the test against a real rosbridge."""

import sys

import numpy as np
import rospy
from geometry_msgs.msg import Twist
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Empty, EmptyResponse

speed = [0.0, 0.0]
position = [0.0]


def command(message):
    speed[:] = [message.linear.x, message.angular.z]


def reset(_):
    position[0] = 0.0
    return EmptyResponse()


rospy.init_node("toy_robot")
rospy.Subscriber("/cmd_vel", Twist, command)
rospy.Service("/reset", Empty, reset)
joints = rospy.Publisher("/joint_states", JointState, queue_size=1)
camera = rospy.Publisher("/camera", Image, queue_size=1)
rate = rospy.Rate(50)
sys.stdout.write("ready\n")
sys.stdout.flush()
while not rospy.is_shutdown():
    position[0] += speed[0] / 50
    state = JointState(name=["yaw", "wheel"], position=[0.5, position[0]], velocity=[speed[1], speed[0]])
    state.header.stamp = rospy.Time.now()
    joints.publish(state)
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[..., 0] = 200
    picture = Image(height=48, width=64, encoding="bgr8", step=192, data=pixels.tobytes())
    camera.publish(picture)
    rate.sleep()
