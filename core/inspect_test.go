package core

import (
	"slices"
	"strings"
	"testing"

	"odradek/core/stream"
)

// TestInspect looks at all replicas of two directories in slices of every size, and sees each once.
func TestInspect(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	for _, line := range []string{"boot dirs=2", "create topic=a partitions=5", "produce topic=a n=3", "create topic=b partitions=2"} {
		n.command(strings.Fields(line))
	}
	for slice := 1; slice < 9; slice++ {
		var all []PartitionState
		var at Place
		for more, calls := true, 0; more; calls++ {
			if all, at, more = n.core.Inspect(at, slice, all); calls > 7 || len(all) > (calls+1)*slice {
				t.Fatalf("slice %d: %d replicas after %d calls", slice, len(all), calls+1)
			}
		}
		var ids []stream.ID
		for i := range all {
			ids = append(ids, all[i].Stream)
			if first := all[i].Topic == "a" && all[i].Stream.Partition == 0; first != (all[i].HighWatermark == 3) || first != (all[i].Bytes > 0) || !all[i].Leading {
				t.Fatalf("%+v", all[i])
			}
		}
		slices.SortFunc(ids, func(a, b stream.ID) int { return strings.Compare(a.String(), b.String()) })
		if ids = slices.Compact(ids); len(ids) != 7 || len(all) != 7 {
			t.Fatalf("slice %d: %d replicas, %d different", slice, len(all), len(ids))
		}
	}
}
