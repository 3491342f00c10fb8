package sim

import (
	"testing"

	"odradek/net/codec"
)

// TestSeeds runs fixed seeds, each twice: a run ends well and is the same run again.
func TestSeeds(t *testing.T) {
	shared := new(codec.Codec)
	seeds := uint64(30)
	for seed := range seeds {
		first := Run(Config{Options: Draw(seed), Codec: shared})
		if first.Outcome != OK {
			t.Fatalf("seed %d: %v: %s: %s", seed, first.Outcome, first.Oracle, first.Found)
		}
		if again := Run(Config{Options: Draw(seed)}); again.Digest != first.Digest {
			t.Fatalf("seed %d is another run the second time: %v, then %v", seed, first.Digest, again.Digest)
		}
	}
}
