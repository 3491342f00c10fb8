package core

import (
	"slices"
	"strings"
	"testing"
)

// The image may change while a follower's log is cut, and change nothing for it: it fetches on all the same when the cut is done.
func TestCutThatTheImageOvertakes(t *testing.T) {
	for _, overtaken := range []bool{false, true} {
		n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
		for _, line := range []string{"boot", "create topic=a", "produce topic=a"} {
			n.command(strings.Fields(line))
		}
		c, fx := n.core, Effects{}
		c.fx = &fx
		id := c.sortedReplicas()[0]
		rep, f := c.replicas[id], &fetcher{busy: true}
		rep.copying.from, f.parts = f, 1
		rep.Cut(rep.Ends.Log)
		rep.again = overtaken
		c.replicaTruncated(id, rep.Generation, &Opened{LogEnd: rep.Ends.Log, Durable: rep.Ends.Log, Segments: rep.Segments(), Epochs: rep.Epochs.Entries()})
		if !rep.copying.changed || !slices.Contains(f.changed, id) {
			t.Errorf("after a cut, overtaken by the image: %t, the next fetch does not name the partition", overtaken)
		}
	}
}
