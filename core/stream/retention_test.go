package stream

import (
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
)

// TestRetentionAgainstModel compares what goes with a model that looks at every segment by itself: a segment may go if each before it goes, and it stays if
// one of its records is younger, if it is needed for the size, or if its end is not committed. The active one goes too, but never an empty one.
func TestRetentionAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog(ID{}, 0, 0, 0, 0, nil, nil)
		for range rapid.IntRange(0, 40).Draw(t, "batches") {
			b := record.Batch{Count: 1, Size: int32(rapid.IntRange(61, 150).Draw(t, "size")), MaxTimestamp: record.UnixMillis(rapid.IntRange(-1, 100).Draw(t, "time"))}
			l.Append(&b, 0, RollLimits{Bytes: 300}, 0)
		}
		if len(l.Segments()) > 0 && rapid.Bool().Draw(t, "resting") {
			l.Rest(0, IndexLimits{})
		}
		committed := record.Offset(rapid.IntRange(0, int(l.Ends.Log)).Draw(t, "committed"))
		if rapid.Bool().Draw(t, "all") {
			committed = l.Ends.Log
		}
		r := Retention{Ms: int64(rapid.IntRange(-1, 100).Draw(t, "ms")), Bytes: int64(rapid.IntRange(-1, 2000).Draw(t, "bytes"))}
		now := record.UnixMillis(rapid.IntRange(0, 250).Draw(t, "now"))
		before := append([]Segment(nil), l.Segments()...)
		want, wantStart := 0, record.Offset(0)
		for want < len(before) {
			var rest int64
			for _, s := range before[want+1:] {
				rest += int64(s.Size)
			}
			s, end := before[want], l.Ends.Log
			if want+1 < len(before) {
				end = before[want+1].Base
			}
			old := r.Ms >= 0 && s.MaxTimestamp >= 0 && s.MaxTimestamp+record.UnixMillis(r.Ms) < now
			if end > committed || s.Size == 0 || !old && !(r.Bytes >= 0 && rest >= r.Bytes) {
				break
			}
			want, wantStart = want+1, end
		}
		start := l.Expired(r, now, committed)
		if start != wantStart {
			t.Fatalf("the log starts at %d, want %d", start, wantStart)
		}
		left := len(before) - want
		if want > 0 && left == 0 {
			l.Rest(now, IndexLimits{})
			left = 1
		}
		if gone := l.DeleteBelow(start); gone != (want > 0) || len(l.Segments()) != left {
			t.Fatalf("%d segments are left of %d, want %d to go", len(l.Segments()), len(before), want)
		}
		if start > committed {
			t.Fatalf("the log starts at %d, beyond what is committed (%d)", start, committed)
		}
		b := record.Batch{Count: 1, Size: 100, MaxTimestamp: 5}
		rolled := l.Append(&b, 0, RollLimits{Bytes: 1 << 20}, 0)
		if last := l.Segments()[len(l.Segments())-1]; rolled != (len(before) == 0) || last.Base > b.BaseOffset {
			t.Fatalf("the next batch begins a segment: %t, in %v", rolled, l.Segments())
		}
	})
}

// The age of a segment is by the records' clock, or by ours where they have none, less the jitter.
func TestRollByTime(t *testing.T) {
	for _, c := range []struct {
		first, second, created, now record.UnixMillis
		jitter                      int64
		want                        bool
	}{
		{first: 100, second: 200, want: false},
		{first: 100, second: 201, want: true},
		{first: 100, second: 151, jitter: 50, want: true},
		{first: 100, second: 150, jitter: 50, want: false},
		{first: 100, second: 150, now: 1 << 40, want: false},
		{first: 100, second: record.NoTimestamp, now: 1 << 40, want: false},
		{first: record.NoTimestamp, second: 1 << 40, created: 7, now: 107, want: false},
		{first: record.NoTimestamp, second: 5, created: 7, now: 108, want: true},
	} {
		l := NewLog(ID{}, 0, 0, 0, 0, nil, nil)
		limits := RollLimits{Bytes: 1 << 30, Ms: 100}
		first := record.Batch{Count: 1, Size: 100, MaxTimestamp: c.first}
		second := record.Batch{Count: 1, Size: 100, MaxTimestamp: c.second}
		l.Append(&first, 0, limits, c.created)
		l.SetJitter(c.jitter)
		if got := l.Append(&second, 0, limits, c.now); got != c.want {
			t.Errorf("%+v: rolled %t", c, got)
		}
	}
}
