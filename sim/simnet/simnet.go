// Package simnet is a network as one connection sees it: two ordered streams of bytes, each of which arrives late and in pieces. It keeps no clock and no
// queue of events: Send says when its pieces arrive, and the world comes back with Arrive at those times.
//
// Within a stream nothing is reordered or lost, across connections everything may be. A reset takes what is under way in both directions, and the two
// ends learn of it at times of their own.
package simnet

import (
	"odradek/core/prng"
)

// Side is an end of a connection.
type Side uint8

// The sides.
const (
	Client Side = iota
	Server
)

// Other is the opposite end.
func (s Side) Other() Side { return 1 - s }

// Weather says how the network behaves. Times are in nanoseconds, chances in a million.
type Weather struct {
	Least, Usual, Most int64 // delays lie between Least and Usual, and up to Most when slow
	Slow               int   // chance that a piece is slow
	Cut                int   // chance that a sent piece is cut in two, and each half again
}

// Delay draws one.
func (w *Weather) Delay(rng *prng.Source) int64 {
	if rng.Chance(w.Slow) {
		return w.Usual + int64(rng.N(uint64(w.Most-w.Usual+1)))
	}
	return w.Least + int64(rng.N(uint64(w.Usual-w.Least+1)))
}

// stream is one direction, named by the side that receives it.
type stream struct {
	pieces [][]byte
	last   int64 // when the last piece arrives
	until  int64 // nothing arrives before: the stream is stalled
	gone   bool  // the receiver has learned of a reset
	cut    bool  // what the sender still sends goes nowhere
}

// Conn is one connection.
type Conn struct{ to [2]stream }

// Send takes the bytes that one side sends and returns when its pieces arrive: the times do not fall, from call to call either. It copies p.
func (c *Conn) Send(from Side, now int64, p []byte, w *Weather, rng *prng.Source, arrivals []int64) []int64 {
	s := &c.to[from.Other()]
	if len(p) == 0 || s.cut || s.gone {
		return arrivals
	}
	rest := append([]byte(nil), p...)
	for len(rest) > 0 {
		n := len(rest)
		for n > 1 && rng.Chance(w.Cut) {
			n = 1 + rng.IntN(n-1)
		}
		s.last = max(s.last, now+w.Delay(rng))
		s.pieces = append(s.pieces, rest[:n:n])
		arrivals = append(arrivals, s.last)
		rest = rest[n:]
	}
	return arrivals
}

// Arrive returns the next piece for a side. If the stream is stalled it returns no bytes and the time at which to come again; with neither, the
// piece was lost.
func (c *Conn) Arrive(at Side, now int64) (p []byte, later int64) {
	s := &c.to[at]
	if s.gone || len(s.pieces) == 0 {
		return nil, 0
	}
	if now < s.until {
		return nil, s.until
	}
	p = s.pieces[0]
	s.pieces[0] = nil
	s.pieces = s.pieces[1:]
	return p, 0
}

// Stall holds up what one side receives until a time.
func (c *Conn) Stall(to Side, until int64) { c.to[to].until = max(c.to[to].until, until) }

// Reset breaks the connection: nothing sent from now on arrives, and with lose nothing that is under way. It returns when each side learns of it, not before
// what it still receives.
func (c *Conn) Reset(now int64, lose bool, w *Weather, rng *prng.Source) (learned [2]int64) {
	for side := range c.to {
		s := &c.to[side]
		s.cut = true
		at := now + w.Delay(rng)
		if lose {
			s.pieces = nil
		} else {
			at = max(at, s.last, s.until)
		}
		learned[side] = at
	}
	return learned
}

// Learn tells that a side knows: it receives nothing any more.
func (c *Conn) Learn(side Side) {
	c.to[side].gone, c.to[side].pieces = true, nil
	c.to[side.Other()].cut = true
}

// Gone reports whether a side knows that the connection is broken.
func (c *Conn) Gone(side Side) bool { return c.to[side].gone }
