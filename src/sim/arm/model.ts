/** @file The arm as a MuJoCo model: seven joints with a Panda's kinematics, a large parallel gripper, a table, an object. */

/** What stands on the table. */
export interface ObjectShape {
  readonly kind: "puck" | "cube";
  /** Puck: radius; cube: half an edge; in m. */
  readonly radiusM: number;
  readonly halfHeightM: number;
  readonly massKg: number;
}

/** Seconds of one physics step. */
export const timestepSeconds = 0.005;

/** Joint angles of the resting pose: gripper over the middle of the workspace, pointing down. */
export const homeRad: readonly number[] = [0, 0.1, 0, -2.15, 0, 2.25, 0.785398];

/** Lower and upper joint limits in rad. @source Franka Emika, "Robot and interface specifications" */
export const jointLimitsRad: readonly (readonly [number, number])[] = [
  [-2.8973, 2.8973],
  [-1.7628, 1.7628],
  [-2.8973, 2.8973],
  [-3.0718, -0.0698],
  [-2.8973, 2.8973],
  [-0.0175, 3.7525],
  [-2.8973, 2.8973],
];

/** Way of one finger from closed to open, in m. */
export const fingerTravelM = 0.045;

const white = "0.90 0.91 0.93 1";
const accent = "0.96 0.55 0.13 1";
const dark = "0.16 0.17 0.20 1";
const yellow = "0.98 0.80 0.16 1";
const quarter = "0.7071068 0.7071068 0 0";
const minusQuarter = "0.7071068 -0.7071068 0 0";

interface Link {
  readonly place: string;
  readonly mass: number;
  readonly geoms: readonly string[];
}

/** Bodies of the seven links, outwards; a Panda's frames. @source Franka Emika, Denavit-Hartenberg parameters */
const links: readonly Link[] = [
  {
    place: `pos="0 0 0.333"`,
    mass: 2.7,
    geoms: [],
  },
  {
    place: `quat="${minusQuarter}"`,
    mass: 2.7,
    geoms: [
      `type="cylinder" size="0.078 0.085" rgba="${accent}"`,
      `type="capsule" size="0.062" fromto="0 0 0 0 -0.316 0" rgba="${white}"`,
    ],
  },
  {
    place: `pos="0 -0.316 0" quat="${quarter}"`,
    mass: 2.4,
    geoms: [`type="capsule" size="0.055" fromto="0 0 0 0.0825 0 0" rgba="${white}"`],
  },
  {
    place: `pos="0.0825 0 0" quat="${quarter}"`,
    mass: 2.4,
    geoms: [
      `type="cylinder" size="0.066 0.075" rgba="${accent}"`,
      `type="capsule" size="0.052" fromto="0 0 0 -0.0825 0.384 0" rgba="${white}"`,
    ],
  },
  {
    place: `pos="-0.0825 0.384 0" quat="${minusQuarter}"`,
    mass: 2.2,
    geoms: [],
  },
  {
    place: `quat="${quarter}"`,
    mass: 1.4,
    geoms: [
      `type="cylinder" size="0.058 0.068" rgba="${accent}"`,
      `type="capsule" size="0.045" fromto="0 0 0 0.088 0 0" rgba="${white}"`,
    ],
  },
  {
    place: `pos="0.088 0 0" quat="${quarter}"`,
    mass: 0.7,
    geoms: [`type="cylinder" size="0.042 0.05" pos="0 0 0.055" rgba="${white}"`],
  },
];

/**
 * Strengths of the joints' position servos (N·m/rad, N·m·s/rad), their greatest torque (N·m), and the inertia of their
 * geared motors (kg·m²). A servo at its greatest torque is integrated explicitly: kv · timestep must stay below twice the
 * inertia, or it chatters.
 */
const servos = [
  { kp: 2500, kv: 150, torque: 87, armature: 0.5 },
  { kp: 2500, kv: 150, torque: 87, armature: 0.5 },
  { kp: 2500, kv: 150, torque: 87, armature: 0.5 },
  { kp: 2500, kv: 150, torque: 87, armature: 0.5 },
  { kp: 1000, kv: 60, torque: 24, armature: 0.2 },
  { kp: 1000, kv: 60, torque: 24, armature: 0.2 },
  { kp: 1000, kv: 60, torque: 24, armature: 0.2 },
];

function finger(name: string, side: 1 | -1): string {
  return `<body name="${name}" pos="0 0 0.052" gravcomp="1">
    <joint name="${name}" type="slide" axis="0 ${side} 0" range="0 ${fingerTravelM}" damping="20" armature="0.2"/>
    <inertial pos="0 0 0.03" mass="0.05" diaginertia="3e-5 3e-5 1e-5"/>
    <geom name="${name}" class="touching" type="box" size="0.015 0.011 0.042" pos="0 ${0.011 * side} 0.040"
      friction="2 0.02 0.001" condim="4" rgba="${yellow}"/>
  </body>`;
}

const hand = `<body name="hand" pos="0 0 0.107" quat="0.9238795 0 0 -0.3826834" gravcomp="1">
  <inertial pos="0 0 0.03" mass="0.6" diaginertia="2e-3 1e-3 2e-3"/>
  <geom name="hand" class="touching" type="box" size="0.028 0.072 0.022" pos="0 0 0.03" rgba="${dark}"/>
  <site name="tip" pos="0 0 0.118"/>
  ${finger("left", 1)}
  ${finger("right", -1)}
</body>`;

/** Links from number `index` on, each inside the one before. */
function chain(index: number): string {
  if (index === links.length) return hand;
  const { place, mass, geoms } = links[index];
  const [low, high] = jointLimitsRad[index];
  const inertia = 0.02 * mass;
  return `<body name="link${index + 1}" ${place} gravcomp="1">
    <joint name="joint${index + 1}" axis="0 0 1" range="${low} ${high}" damping="2" armature="${servos[index].armature}"/>
    <inertial pos="0 0 0" mass="${mass}" diaginertia="${inertia} ${inertia} ${inertia}"/>
    ${geoms.map((geom, i) => `<geom name="link${index + 1}-${i}" ${geom}/>`).join("")}
    ${chain(index + 1)}
  </body>`;
}

function objectBody(shape: ObjectShape): string {
  const { kind, radiusM, halfHeightM, massKg } = shape;
  const size = kind === "puck" ? `${radiusM} ${halfHeightM}` : `${radiusM} ${radiusM} ${halfHeightM}`;
  return `<body name="object" pos="0.5 0 ${halfHeightM}">
    <freejoint name="object"/>
    <geom name="object" class="touching" type="${kind === "puck" ? "cylinder" : "box"}" size="${size}"
      mass="${massKg}" friction="0.7 0.01 0.001" condim="4" rgba="0.85 0.17 0.14 1"/>
  </body>`;
}

function actuators(): string {
  const joints = servos.map(({ kp, kv, torque }, i) => {
    const [low, high] = jointLimitsRad[i];
    return `<position joint="joint${i + 1}" kp="${kp}" kv="${kv}" ctrlrange="${low} ${high}" forcerange="-${torque} ${torque}"/>`;
  });
  const fingers = ["left", "right"].map(
    (name) =>
      `<position joint="${name}" kp="1500" kv="60" ctrlrange="0 ${fingerTravelM}" forcerange="-40 40"/>`,
  );
  return joints.concat(fingers).join("\n");
}

/** The model's text; joints in the order 7 of the arm, 2 fingers, object. */
export function modelXml(object: ObjectShape | undefined): string {
  return `<mujoco model="arm">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="${timestepSeconds}" integrator="implicitfast" cone="elliptic" impratio="10"><flag autoreset="disable"/></option>
  <size memory="512K"/>
  <default>
    <geom contype="0" conaffinity="0"/>
    <default class="touching"><geom contype="1" conaffinity="1" solref="0.01 1" solimp="0.98 0.99 0.001"/></default>
  </default>
  <worldbody>
    <geom name="table" class="touching" type="plane" size="0 0 0.1" friction="0.7 0.01 0.001" rgba="0.72 0.66 0.58 1"/>
    <body name="base">
      <geom name="base" type="cylinder" size="0.11 0.03" pos="0 0 0.03" rgba="${dark}"/>
      <geom name="column" type="capsule" size="0.075" fromto="0 0 0.03 0 0 0.26" rgba="${white}"/>
      ${chain(0)}
    </body>
    ${object === undefined ? "" : objectBody(object)}
  </worldbody>
  <contact><exclude body1="left" body2="right"/><exclude body1="hand" body2="left"/><exclude body1="hand" body2="right"/></contact>
  <actuator>${actuators()}</actuator>
</mujoco>`;
}
