// Package differential plays generated sequences of client calls and worker replies on two servers and compares all that they
// show: answers, errors, descriptions and histories. See TestServersAnswerAlike for how to choose the second server.
package differential
