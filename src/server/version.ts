/** The Redis whose commands, replies and errors Regent gives; clients look at it for features. */
export const REDIS_VERSION = "7.0.15";

export const REGENT_VERSION = "0.1.0";
