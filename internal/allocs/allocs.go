// Package allocs tells tests what a call allocates, cheaply enough to be asked at every input of a fuzzer.
package allocs

import (
	"math"
	"runtime"
	"runtime/metrics"
)

// suspect is what the runtime's quick counter, which other goroutines feed too, may be off by.
const suspect = 256 << 10

// quick is the bytes ever allocated, roughly. It does not stop the world, as ReadMemStats does: a fuzzer asks for it 50 000 times a second.
func quick() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}

// Over runs do, and reports what it allocates if that is more than bound bytes; else 0. Where the quick count is suspicious do runs three times more and the
// least exact count is taken, so it must do the same each time.
func Over(bound uint64, do func()) uint64 {
	before := quick()
	do()
	if quick()-before <= min(bound, suspect) {
		return 0
	}
	least := uint64(math.MaxUint64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if least <= bound {
		return 0
	}
	return least
}
