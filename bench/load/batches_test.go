package load

import (
	"bytes"
	"encoding/binary"
	"testing"

	"odradek/bench/cell"
	"odradek/bench/payload"
	"odradek/core/record"
)

// Prepared batches are what a broker accepts: the CRC is right, also after a stamp; they hold as many records as fit, and no more.
func TestPreparedBatches(t *testing.T) {
	const wall = 1_795_000_000_000
	policy := record.DefaultPolicy()
	policy.MaxMessageBytes = 2 << 20 // random bytes grow a little when they are compressed
	for i, batch := range cell.Batches() {
		for j, codec := range cell.Codecs() {
			c := cell.Default()
			c.Batch, c.Codec, c.Payload = batch, codec, payload.Names()[(i+j)%len(payload.Names())]
			c.Record, c.Keys = []int{100, payload.SizeMin, 777, 2000}[(i+j)%4], i%2 == 0
			p, err := prepare(c, 1, wall)
			if err != nil {
				t.Fatal(err)
			}
			e := &p.batches[len(p.batches)-1]
			e.stamp(0x1122334455667788)
			if _, refusal := record.Prepare(&policy, wall, packer, bytes.Clone(e.data), record.NoFrame); refusal != nil {
				t.Fatalf("%s: a broker refuses the batch: %v", c.ID(), refusal)
			}
			checkBatch(t, c, e)
		}
	}
}

func checkBatch(t *testing.T, c cell.Cell, e *encoded) {
	t.Helper()
	h, err := record.ParseHeader(e.data)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.CheckCRC(); err != nil {
		t.Fatal(err)
	}
	n, plain := 0, record.HeaderSize
	for it := h.Records(packer, nil); it.Next(); n++ {
		if len(it.Record.Value) != c.Record || (it.Record.Key != nil) != c.Keys {
			t.Fatalf("record %d has %d bytes and key %q", n, len(it.Record.Value), it.Record.Key)
		}
		plain += len(it.Record.Value) + len(it.Record.Key)
		stamp := binary.BigEndian.Uint64(it.Record.Value)
		if want := n == 0 && c.Codec == "none"; (stamp == 0x1122334455667788) != want {
			t.Fatalf("record %d has the stamp %x", n, stamp)
		}
	}
	if n != e.records || c.Batch == 0 && n != 1 {
		t.Fatalf("%d records, want %d", n, e.records)
	}
	if c.Codec == "none" && n > 1 && len(e.data) > c.Batch {
		t.Fatalf("%d bytes in a batch of %d", len(e.data), c.Batch)
	}
	if room := c.Batch - plain - n*overhead; n > 0 && c.Batch > 0 && room > c.Record+40 {
		t.Fatalf("%d records leave %d bytes of %d free", n, room, c.Batch)
	}
}
