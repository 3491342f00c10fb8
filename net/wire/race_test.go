//go:build race

package wire

// raceDetector: its own allocations are counted too.
const raceDetector = true
