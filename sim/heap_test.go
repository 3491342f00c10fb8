package sim

import (
	"testing"

	"pgregory.net/rapid"
)

// Events come by time, and at one time in the order in which they were made, whatever is pushed in between.
func TestHeapOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h heap
		var model []event
		seq := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "step") > 0 {
				seq++
				e := event{at: Time(rapid.IntRange(0, 20).Draw(t, "at")), seq: seq}
				h.push(e)
				model = append(model, e)
				continue
			}
			first := -1
			for i := range model {
				if first < 0 || model[i].before(&model[first]) {
					first = i
				}
			}
			got, ok := h.pop()
			if ok != (first >= 0) || ok && got != model[first] {
				t.Fatalf("popped %v %v, of %v", got, ok, model)
			}
			if ok {
				model = append(model[:first], model[first+1:]...)
			}
		}
	})
}
