package tcp

import (
	"math/bits"
	"sync/atomic"
	"time"

	"odradek/core/api"
)

// Latency counts how long the requests of one API took, from the arrival of their last byte to the hand-over of their answer to the socket's queue.
type Latency struct {
	counts [latencyBuckets]atomic.Int64
	sum    atomic.Int64 // microseconds
}

const (
	latencySteps   = 8 // buckets for each doubling: a quantile is at most an eighth too high
	latencyBuckets = 36 * latencySteps
)

// bucketOf returns the bucket of a number of microseconds.
func bucketOf(us int64) int {
	if us < latencySteps {
		return int(max(us, 0))
	}
	exponent := bits.Len64(uint64(us)) - 4 // so that us>>exponent lies in 8…15
	return min((exponent+1)*latencySteps+int(us>>exponent)-latencySteps, latencyBuckets-1)
}

// Bound returns the microseconds below which the durations of a bucket lie.
func Bound(bucket int) int64 {
	if bucket < latencySteps {
		return int64(bucket) + 1
	}
	exponent := bucket/latencySteps - 1
	return int64(bucket%latencySteps+latencySteps+1) << exponent
}

func (l *Latency) add(d time.Duration) {
	us := d.Microseconds()
	l.counts[bucketOf(us)].Add(1)
	l.sum.Add(us)
}

// LatencyCounts is a Latency at one time: the number of requests in each bucket (see Bound) and the microseconds of all.
type LatencyCounts struct {
	Buckets [latencyBuckets]int64
	Sum     int64
}

// Latencies returns the counts of each API that was asked for.
func (s *Server) Latencies() map[api.Key]LatencyCounts {
	out := map[api.Key]LatencyCounts{}
	for key := range s.latencies {
		l := s.latencies[key].Load()
		if l == nil {
			continue
		}
		c := LatencyCounts{Sum: l.sum.Load()}
		for i := range l.counts {
			c.Buckets[i] = l.counts[i].Load()
		}
		out[api.Key(key)] = c
	}
	return out
}

// apiKeys is above every key of Kafka's; one that is not counted loses nothing but its latency.
const apiKeys = 128

func (s *Server) took(key api.Key, d time.Duration) {
	if key < 0 || key >= apiKeys {
		return
	}
	l := s.latencies[key].Load()
	if l == nil {
		s.latencies[key].CompareAndSwap(nil, new(Latency))
		l = s.latencies[key].Load()
	}
	l.add(d)
}

// underWay is a request that the core has.
type underWay struct {
	correlation int32
	at          time.Time
}

// begin notes that the core gets a request. The caller holds mu.
func (c *conn) begin(correlation int32, at time.Time) {
	c.underWay = append(c.underWay, underWay{correlation, at})
}

// end counts the oldest request of that correlation id as answered. The caller holds mu. At most wire.ProducesMax are under way.
func (c *conn) end(correlation int32, key api.Key) {
	for i := range c.underWay {
		if c.underWay[i].correlation == correlation {
			c.s.took(key, time.Since(c.underWay[i].at))
			c.underWay = append(c.underWay[:i], c.underWay[i+1:]...)
			return
		}
	}
}
