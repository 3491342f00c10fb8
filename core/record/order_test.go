package record

import (
	"encoding/binary"
	"testing"

	"odradek/core/errcode"
)

// TestBaseOffsetIsSaidFirst: before the size of the batch and its CRC, but after whether there is one batch.
func TestBaseOffsetIsSaidFirst(t *testing.T) {
	spec := PlainSpec(0)
	var b Builder
	b.Reset(spec)
	b.Append(1, nil, []byte("value"), nil)
	built, err := b.Build(nil)
	if err != nil {
		t.Fatal(err)
	}
	small := DefaultPolicy()
	small.MaxMessageBytes = 10
	all := DefaultPolicy()
	for _, c := range []struct {
		policy *Policy
		base   uint64
		cut    int
		want   errcode.Code
	}{{&all, 1, 0, errcode.InvalidRecord}, {&small, 1, 0, errcode.InvalidRecord}, {&small, 0, 0, errcode.MessageTooLarge}, {&all, 1, 1, errcode.InvalidRecord}} {
		data := append([]byte(nil), built.Data[:len(built.Data)-c.cut]...)
		binary.BigEndian.PutUint64(data, c.base)
		_, refusal := Prepare(c.policy, 5, nil, data, NoFrame)
		if refusal == nil || refusal.Code != c.want || refusal.NoBatch != (c.cut > 0) {
			t.Errorf("%+v: %+v", c, refusal)
		}
	}
}
