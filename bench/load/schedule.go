// Package load is the generator: one thread that sends when the schedule says, whatever the broker does, and takes acknowledgements in as they come.
//
// A slot of the schedule is never moved or left out. When a connection cannot take a request (as many are under way as a producer may have, or the socket is
// full) the slot waits, and its latency counts from when it was due.
package load

import (
	"math/rand/v2"
)

// Schedule yields the times at which things are due, in nanoseconds of the monotonic clock. It knows nothing of what became of them.
type Schedule struct {
	start    int64
	interval float64 // nanoseconds between two slots, on average
	index    int64   // of the next slot
	step     int64   // slots of all workers between two of this one
	rng      *rand.Rand
	elapsed  float64 // of a Poisson schedule
	due      int64
}

// Fixed is due at start + i/rate for each i that is worker modulo workers.
func Fixed(start int64, rate float64, worker, workers int) *Schedule {
	s := &Schedule{start: start, interval: 1e9 / rate, index: int64(worker), step: int64(workers)}
	s.place()
	return s
}

// Poisson is due at random, with exponential gaps of so much on average; workers together have the rate.
func Poisson(start int64, rate float64, worker, workers int, seed uint64) *Schedule {
	s := &Schedule{start: start, interval: 1e9 / rate * float64(workers), step: 1, rng: rand.New(rand.NewPCG(seed, uint64(worker)))}
	s.elapsed = s.rng.ExpFloat64() * s.interval
	s.place()
	return s
}

func (s *Schedule) place() {
	if s.rng != nil {
		s.due = s.start + int64(s.elapsed)
		return
	}
	s.due = s.start + int64(float64(s.index)*s.interval) // from the index, so that roundings do not add up
}

// Due is when the next slot is due.
func (s *Schedule) Due() int64 { return s.due }

// Index is the number of the next slot among those of all workers; of a Poisson schedule, among its own.
func (s *Schedule) Index() int64 { return s.index }

// Advance goes on to the slot after.
func (s *Schedule) Advance() {
	s.index += s.step
	if s.rng != nil {
		s.elapsed += s.rng.ExpFloat64() * s.interval
	}
	s.place()
}
