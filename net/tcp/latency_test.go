package tcp

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every duration lies below its bucket's bound, and by no more than an eighth; buckets rise with durations.
func TestLatencyBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(0, 1<<37).Draw(t, "us")
		i := bucketOf(us)
		if us >= Bound(i) || i > 0 && us < Bound(i-1) || Bound(i) > us+us/latencySteps+1 {
			t.Fatalf("%d µs lie in bucket %d, which ends at %d", us, i, Bound(i))
		}
	})
	if i := bucketOf(1 << 60); i != latencyBuckets-1 {
		t.Errorf("a year lies in bucket %d", i)
	}
	var l Latency
	l.add(3 * time.Microsecond)
	if l.counts[3].Load() != 1 || l.sum.Load() != 3 {
		t.Error("3 µs are not counted as 3")
	}
}
