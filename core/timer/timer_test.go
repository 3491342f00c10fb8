package timer

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAgainstList compares the heap with a plain list that is searched from end to end.
func TestAgainstList(t *testing.T) {
	type entry struct {
		key int
		at  int64
	}
	rapid.Check(t, func(t *rapid.T) {
		var q Queue[int]
		var list []entry
		drop := func(key int) { list = slices.DeleteFunc(list, func(e entry) bool { return e.key == key }) }
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			key := rapid.IntRange(0, 9).Draw(t, "key")
			at := int64(rapid.IntRange(0, 20).Draw(t, "at"))
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				q.Set(key, at)
				drop(key)
				list = append(list, entry{key, at})
			case 1:
				q.Cancel(key)
				drop(key)
			case 2:
				got, ok := q.Pop(at)
				best := -1
				for i, e := range list {
					if e.at <= at && (best < 0 || e.at < list[best].at) {
						best = i
					}
				}
				if ok != (best >= 0) || ok && got != list[best].key {
					t.Fatalf("Pop(%d) = %d, %v; the list says %v of %v", at, got, ok, best, list)
				}
				if ok {
					drop(got)
				}
			}
			if q.Len() != len(list) {
				t.Fatalf("%d deadlines, the list has %d", q.Len(), len(list))
			}
		}
	})
}
