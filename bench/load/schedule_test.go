package load

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the rate and the number of workers, the workers' slots together are every slot, at its place, once: none depends on what came before.
func TestFixedLeavesNothingOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.5, 5e6).Draw(t, "rate")
		workers := rapid.IntRange(1, 5).Draw(t, "workers")
		start := rapid.Int64Range(0, 1<<50).Draw(t, "start")
		const each = 200
		var due []int64
		for w := range workers {
			s := Fixed(start, rate, w, workers)
			for i := range each {
				if want := int64(w + i*workers); s.Index() != want {
					t.Fatalf("worker %d, slot %d has index %d, want %d", w, i, s.Index(), want)
				}
				due = append(due, s.Due())
				s.Advance()
			}
		}
		slices.Sort(due)
		for i, d := range due {
			if want := start + int64(float64(i)*1e9/rate); d < want-1 || d > want+1 {
				t.Fatalf("slot %d is due at %d, want %d", i, d, want)
			}
		}
	})
}

// A Poisson schedule rises, has the rate, and gaps whose spread is as large as their mean.
func TestPoisson(t *testing.T) {
	const n, rate, workers = 20_000, 1000.0, 2
	s := Poisson(0, rate, 1, workers, 7)
	var sum, squares float64
	for before := int64(0); s.Index() < n; s.Advance() {
		gap := float64(s.Due() - before)
		if gap < 0 {
			t.Fatalf("slot %d is due %v ns before the one before it", s.Index(), -gap)
		}
		sum, squares, before = sum+gap, squares+gap*gap, s.Due()
	}
	mean := sum / n
	if want := 1e9 / rate * workers; math.Abs(mean-want) > want/20 {
		t.Errorf("the mean gap is %.0f ns, want %.0f", mean, want)
	}
	if spread := math.Sqrt(squares/n - mean*mean); math.Abs(spread-mean) > mean/20 {
		t.Errorf("gaps spread by %.0f ns around a mean of %.0f: an exponential distribution has both the same", spread, mean)
	}
}
