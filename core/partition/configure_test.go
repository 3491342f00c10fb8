package partition

import (
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
)

// TestConfigureUnderLoad changes a partition between durable and relaxed at any moment. What is acknowledged while it is durable is durable; who waits is
// answered as soon as the mode of the moment allows; the high watermark never falls; a switch to durable syncs whatever is not.
func TestConfigureUnderLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := leader(t, 1)
		var written, durable, high record.Offset
		var id uint64
		waiting := map[uint64]record.Offset{}
		asked := record.Offset(0) // what the last Sync covers
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			var facts Facts
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				end := add(p, int32(rapid.IntRange(1, 3).Draw(t, "count")))
				if p.SyncNow() {
					asked = end
				}
				id++
				if p.Park(rapid.SampledFrom([]int16{1, -1}).Draw(t, "acks"), end, id, 0) {
					waiting[id] = end
				}
			case 1:
				written = record.Offset(rapid.IntRange(int(written), int(p.Ends.Log)).Draw(t, "written"))
				p.OnWritten(p.Generation, written, &facts)
			case 2:
				durable = record.Offset(rapid.IntRange(int(durable), int(max(durable, asked))).Draw(t, "durable"))
				written = max(written, durable)
				p.OnDurable(p.Generation, durable, &facts)
			case 3:
				s := p.Settings
				s.FlushMessages = rapid.SampledFrom([]int64{1, 4, 100}).Draw(t, "flush.messages")
				if p.Configure(s, &facts) {
					asked = p.Ends.Log
				}
				if p.Settings.Durable() && p.Ends.Durable < p.Ends.Log && asked < p.Ends.Log {
					t.Fatalf("durable to %d of %d, and a sync was asked for to %d", p.Ends.Durable, p.Ends.Log, asked)
				}
			}
			if p.HighWatermark() < high {
				t.Fatalf("the high watermark falls from %d to %d", high, p.HighWatermark())
			}
			high = p.HighWatermark()
			end := written
			if p.Settings.Durable() {
				end = durable
			}
			for _, a := range facts.Acked {
				if waiting[a.Produce] > end {
					t.Fatalf("%d is acknowledged at %d", waiting[a.Produce], end)
				}
				delete(waiting, a.Produce)
			}
			for id, upTo := range waiting {
				if upTo <= end {
					t.Fatalf("produce %d waits for %d, and %d is reached", id, upTo, end)
				}
			}
			if p.Ends.Log == 0 {
				continue
			}
			id++ // a duplicate of any batch
			upTo := record.Offset(rapid.IntRange(1, int(p.Ends.Log)).Draw(t, "duplicate"))
			if parked := p.Park(-1, upTo, id, 0); parked != (upTo > end) && (parked || p.Settings.Durable()) {
				t.Fatalf("a duplicate below %d waits: %t; the end is %d", upTo, parked, end)
			} else if parked {
				waiting[id] = upTo
			}
		}
	})
}
