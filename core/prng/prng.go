// Package prng is ChaCha8 as a value: randomness that is part of a machine's state and starts from 32 bytes that are passed in.
package prng

import "math/bits"

// Source yields pseudo-random numbers: ChaCha with 8 rounds (Bernstein 2008; the variant with a 64-bit counter) over a key of 32 bytes.
// Two Sources of equal state yield equal numbers; copying one splits nothing, use Split.
type Source struct {
	key     [8]uint32
	counter uint64
	block   [8]uint64
	used    int
}

// New returns the source of a seed.
func New(seed [32]byte) Source {
	s := Source{used: 8}
	for i := range s.key {
		s.key[i] = uint32(seed[4*i]) | uint32(seed[4*i+1])<<8 | uint32(seed[4*i+2])<<16 | uint32(seed[4*i+3])<<24
	}
	return s
}

// FromNumber returns the source of a small seed, as of `odradek sim --seed`; stream tells the sources of one seed apart.
func FromNumber(seed, stream uint64) Source {
	var b [32]byte
	for i := range 8 {
		b[i], b[8+i] = byte(seed>>(8*i)), byte(stream>>(8*i))
	}
	copy(b[16:], "odradek's thread")
	return New(b)
}

// Split returns a source that shares nothing with s from here on.
func (s *Source) Split() Source {
	var seed [32]byte
	for i := range 4 {
		v := s.Uint64()
		for j := range 8 {
			seed[8*i+j] = byte(v >> (8 * j))
		}
	}
	return New(seed)
}

// Uint64 returns 64 random bits.
func (s *Source) Uint64() uint64 {
	if s.used == len(s.block) {
		s.refill()
	}
	v := s.block[s.used]
	s.used++
	return v
}

// Drawn is how many numbers of 64 bits the source has yielded.
func (s *Source) Drawn() uint64 { return s.counter*8 - uint64(len(s.block)-s.used) }

// Seek has the source go on as if it had yielded so many numbers of 64 bits.
func (s *Source) Seek(drawn uint64) {
	s.counter, s.used = drawn/8, len(s.block)
	if rest := int(drawn % 8); rest > 0 {
		s.refill()
		s.used = rest
	}
}

// N returns a number in [0, n); n must be positive. Lemire's method, without bias.
func (s *Source) N(n uint64) uint64 {
	if n == 0 {
		panic("invariant: a random number below 0 was asked for")
	}
	hi, lo := bits.Mul64(s.Uint64(), n)
	for lo < n && lo < -n%n {
		hi, lo = bits.Mul64(s.Uint64(), n)
	}
	return hi
}

// IntN returns a number in [0, n); n must be positive.
func (s *Source) IntN(n int) int { return int(s.N(uint64(n))) }

// Chance reports true with a probability of perMillion in a million.
func (s *Source) Chance(perMillion int) bool { return s.IntN(1_000_000) < perMillion }

// Bytes fills b.
func (s *Source) Bytes(b []byte) {
	for i := range b {
		b[i] = byte(s.Uint64())
	}
}

func (s *Source) refill() {
	in := [16]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	copy(in[4:12], s.key[:])
	in[12], in[13] = uint32(s.counter), uint32(s.counter>>32)
	x := in
	for range 4 {
		quarter(&x, 0, 4, 8, 12)
		quarter(&x, 1, 5, 9, 13)
		quarter(&x, 2, 6, 10, 14)
		quarter(&x, 3, 7, 11, 15)
		quarter(&x, 0, 5, 10, 15)
		quarter(&x, 1, 6, 11, 12)
		quarter(&x, 2, 7, 8, 13)
		quarter(&x, 3, 4, 9, 14)
	}
	for i := range s.block {
		s.block[i] = uint64(x[2*i]+in[2*i]) | uint64(x[2*i+1]+in[2*i+1])<<32
	}
	s.counter++
	s.used = 0
}

func quarter(x *[16]uint32, a, b, c, d int) {
	x[a] += x[b]
	x[d] = bits.RotateLeft32(x[d]^x[a], 16)
	x[c] += x[d]
	x[b] = bits.RotateLeft32(x[b]^x[c], 12)
	x[a] += x[b]
	x[d] = bits.RotateLeft32(x[d]^x[a], 8)
	x[c] += x[d]
	x[b] = bits.RotateLeft32(x[b]^x[c], 7)
}
