package stream

import (
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
)

// TestRetentionAgainstModel compares what goes with a model that looks at every segment by itself: a segment may go if each before it goes, and it stays if
// one of its records is younger, if it is needed for the size, if the next one's base is not committed, or if it is active.
func TestRetentionAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog(ID{}, 0, 0, 0, 0, nil, nil)
		for range rapid.IntRange(0, 40).Draw(t, "batches") {
			b := record.Batch{Count: 1, Size: int32(rapid.IntRange(61, 150).Draw(t, "size")), MaxTimestamp: record.UnixMillis(rapid.IntRange(-1, 100).Draw(t, "time"))}
			l.Append(&b, 0, RollLimits{Bytes: 300})
		}
		committed := record.Offset(rapid.IntRange(0, int(l.Ends.Log)).Draw(t, "committed"))
		r := Retention{Ms: int64(rapid.IntRange(-1, 100).Draw(t, "ms")), Bytes: int64(rapid.IntRange(-1, 2000).Draw(t, "bytes"))}
		now := record.UnixMillis(rapid.IntRange(0, 150).Draw(t, "now"))
		before := append([]Segment(nil), l.Segments()...)
		want := 0
	segments:
		for want+1 < len(before) {
			var rest int64
			for _, s := range before[want+1:] {
				rest += int64(s.Size)
			}
			s := before[want]
			old := r.Ms >= 0 && s.MaxTimestamp >= 0 && s.MaxTimestamp+record.UnixMillis(r.Ms) < now
			switch {
			case before[want+1].Base > committed:
				break segments
			case old, r.Bytes >= 0 && rest >= r.Bytes:
				want++
			default:
				break segments
			}
		}
		start := l.Expired(r, now, committed)
		wantStart := record.Offset(0)
		if want > 0 {
			wantStart = before[want].Base
		}
		if start != wantStart {
			t.Fatalf("the log starts at %d, want %d", start, wantStart)
		}
		if gone := l.DeleteBelow(start); gone != (want > 0) || len(l.Segments()) != len(before)-want {
			t.Fatalf("%d segments are left of %d, want %d to go", len(l.Segments()), len(before), want)
		}
		if start > committed {
			t.Fatalf("the log starts at %d, beyond what is committed (%d)", start, committed)
		}
	})
}
