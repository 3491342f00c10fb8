package metrics

import (
	"testing"
	"time"

	"odradek/core/api"
	"odradek/net/tcp"
)

// A quantile is of the requests since the look that is compared with, not of all there ever were.
func TestQuantilesAreRecent(t *testing.T) {
	var past, now tcp.LatencyCounts
	past.Buckets[200] = 1_000_000
	now = past
	now.Buckets[3], now.Buckets[80] = 98, 2
	for q, want := range map[float64]int64{0.5: 4, 0.98: 4, 0.99: tcp.Bound(80), 0.999: tcp.Bound(80)} { // any order: each by itself
		if got := milliseconds(&now, &past, 100, q); got != float64(want)/1000 {
			t.Errorf("quantile %v is %v ms, want %d µs", q, got, want)
		}
	}
	if got := milliseconds(&past, &past, 0, 0.5); got != 0 {
		t.Errorf("no requests took %v ms", got)
	}
}

// fixed is a Source whose only numbers are those of looks.
type fixed struct {
	Source
	busy time.Duration
}

func (f *fixed) Busy() time.Duration                      { return f.busy }
func (f *fixed) Latencies() map[api.Key]tcp.LatencyCounts { return nil }

// Looks are kept for a minute and are few, however often a page is asked for.
func TestLooksAreFew(t *testing.T) {
	source := &fixed{}
	r := newRecent(source)
	start := time.Now().Add(-10 * time.Minute)
	r.looks[0].at = start
	for i := range 40 {
		r.looks = append(r.looks, lately{at: start.Add(time.Duration(i) * window / 4), busy: time.Duration(i) * time.Second})
	}
	source.busy = time.Hour
	before, now := r.compare()
	if len(r.looks) > 6 || now.busy != time.Hour || now.at.Sub(before.at) < window || now.at.Sub(before.at) > window*3/2 {
		t.Errorf("%d looks; compared with one %v old", len(r.looks), now.at.Sub(before.at))
	}
	for range 1000 {
		r.compare()
	}
	if len(r.looks) > 6 {
		t.Errorf("%d looks are kept", len(r.looks))
	}
	for _, c := range []struct{ busy, of, want time.Duration }{{0, 0, 1}, {1, 4, 75}, {5, 4, 0}, {0, 4, 1}} {
		want := float64(c.want)
		if c.want == 75 {
			want = 0.75
		}
		if got := idle(c.busy, c.of); got != want {
			t.Errorf("busy for %d of %d: %v", c.busy, c.of, got)
		}
	}
}
