package core

import (
	"testing"

	"odradek/core/record"
	"odradek/core/stream"
)

// TestMetadataLogBeginsWithItsEpochs: the log start moved up to a snapshot, its segment stayed, and the log was opened anew. A leader that took the segment's base for the
// log start knew no epoch of the records between, and had a follower cut what is committed (seed 322797 of cluster).
func TestMetadataLogBeginsWithItsEpochs(t *testing.T) {
	segments := []stream.Segment{{Base: 22, Size: 300, MaxTimestamp: record.NoTimestamp}}
	for _, c := range []struct {
		name   string
		opened Opened
		want   record.Offset
	}{
		{"epochs begin later", Opened{LogStart: 22, LogEnd: 29, Epochs: []stream.EpochStart{{Epoch: 6, Start: 23}, {Epoch: 7, Start: 24}}}, 24},
		{"epochs begin with it", Opened{LogStart: 22, LogEnd: 29, Epochs: []stream.EpochStart{{Epoch: 4, Start: 22}}}, 22},
		{"no epochs", Opened{LogStart: 22, LogEnd: 22}, 22},
		{"epochs begin at the end", Opened{LogStart: 22, LogEnd: 23, Epochs: []stream.EpochStart{{Epoch: 4, Start: 23}}}, 23},
	} {
		c.opened.Segments = segments
		if log := metadataLog(&c.opened, c.opened.LogEnd); log.Start != c.want || log.Ends.Log != c.opened.LogEnd {
			t.Errorf("%s: the log begins at %d and ends at %d, want %d and %d", c.name, log.Start, log.Ends.Log, c.want, c.opened.LogEnd)
		}
	}
}
