package cell

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSweepHoldsQuick(t *testing.T) {
	var names []string
	for _, c := range Sweep() {
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", c.ID(), err)
		}
		if slices.Contains(names, c.ID()) {
			t.Errorf("%s is there twice", c.ID())
		}
		names = append(names, c.ID())
	}
	if n := len(Quick()); n != 9 {
		t.Errorf("%d quick cells", n)
	}
	for _, c := range Quick() {
		if !slices.Contains(names, c.ID()) {
			t.Errorf("the sweep does not hold %s", c.ID())
		}
	}
}

func TestPick(t *testing.T) {
	all := Sweep()
	got, err := Pick(all, []string{"broker/*/zstd/max/json*", "mode=client,batch=4K,linger=10ms,rate=10K,acks=all,keys=true", "broker/16K/zstd"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(Batches())+1 {
		t.Errorf("%d cells", len(got))
	}
	want := Default()
	want.Mode, want.Batch, want.Linger, want.Rate, want.Keys = Client, 4<<10, 10*time.Millisecond, 10_000, true
	if !slices.Contains(got, want) {
		t.Errorf("no %s in %v", want.ID(), got)
	}
	if id := want.ID(); id != "client/4K/none/linger10ms/rate10K/jsonx100+keys/p4/c4x5/acksall" {
		t.Errorf("it is named %s", id)
	}
}

func TestPickRefuses(t *testing.T) {
	for expression, word := range map[string]string{
		"broker/3K": "no cell", "codec=brotli": "brotli", "batch=2M": "1048576", "record=8": "16", "payload=poems": "poems", "acks=2": "acks", "color=red": "color",
		"partitions=0": "partitions", "producers=x": "producers", "mode=server": "server", "rate=1000M": "rate", "linger=2h": "linger", "inflight=0": "flight",
	} {
		if _, err := Pick(Sweep(), []string{expression}); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, want something about %q", expression, err, word)
		}
	}
}
