package prng

import "testing"

// TestVector compares the first block with the published test vector of ChaCha8 with a key of 256 zero bits and a zero counter and nonce
// (draft-strombergson-chacha-test-vectors, TC1, 8 rounds): 3e 00 ef 2f 89 5f 40 d6.
func TestVector(t *testing.T) {
	s := New([32]byte{})
	if got, want := s.Uint64(), uint64(0xd6405f892fef003e); got != want {
		t.Fatalf("first 8 bytes are %016x, the vector says %016x", got, want)
	}
}

func TestSplitSharesNothing(t *testing.T) {
	a := FromNumber(7, 0)
	b := a.Split()
	c := a.Split()
	if b.Uint64() == c.Uint64() || FromNumber(7, 1) == FromNumber(7, 2) {
		t.Fatal("two splits yield the same numbers")
	}
}

func TestNStaysBelow(t *testing.T) {
	s := FromNumber(1, 1)
	var seen [7]int
	for range 7000 {
		seen[s.N(7)]++
	}
	for i, n := range seen {
		if n < 800 || n > 1200 {
			t.Errorf("%d came %d times of 7000", i, n)
		}
	}
}

// TestSeek: a source that is set to where another stands yields what that yields, forwards and backwards.
func TestSeek(t *testing.T) {
	var all []uint64
	s := FromNumber(1, 2)
	for i := range uint64(50) {
		if s.Drawn() != i {
			t.Fatalf("%d numbers are drawn, and it says %d", i, s.Drawn())
		}
		all = append(all, s.Uint64())
	}
	for _, at := range []uint64{0, 49, 8, 7, 9, 16, 1} {
		if s.Seek(at); s.Drawn() != at || s.Uint64() != all[at] {
			t.Errorf("at %d it yields something else", at)
		}
	}
}
