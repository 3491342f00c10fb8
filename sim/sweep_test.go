package sim

import (
	"os"
	"strconv"
	"testing"
	"time"

	"odradek/net/codec"
)

func TestSweepDev(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SWEEP"))
	if n == 0 {
		t.Skip()
	}
	shared := new(codec.Codec)
	start := time.Now()
	events, bad := 0, map[string]int{}
	for seed := range uint64(n) {
		r := Run(Config{Options: Draw(seed), Codec: shared})
		events += r.Events
		if r.Outcome != OK {
			k := r.Outcome.String() + " " + r.Oracle
			if bad[k]++; bad[k] <= 4 {
				t.Logf("seed %d: %v: %s: %.300s", seed, r.Outcome, r.Oracle, r.Found)
			}
		}
	}
	d := time.Since(start)
	t.Logf("%d seeds in %v, %.0f/s, %d events per seed, bad %v", n, d, float64(n)/d.Seconds(), events/n, bad)
}
