package allocs

import "testing"

var kept []byte

func TestOver(t *testing.T) {
	large := func() { kept = make([]byte, 1<<20) }
	if got := Over(1<<19, large); got < 1<<20 || got > 2<<20 {
		t.Errorf("a megabyte is counted as %d", got)
	}
	if got := Over(2<<20, large); got != 0 {
		t.Errorf("a megabyte is over two: %d", got)
	}
	if got := Over(0, func() {}); got != 0 {
		t.Errorf("nothing is counted as %d", got)
	}
}
