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
