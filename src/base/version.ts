/** The version of this build. */
export const REGENT_VERSION = "0.1.0";

/** The version of Redis that Regent imitates. Clients derive the available features from it. */
export const REDIS_VERSION = "7.0.15";
