package payload

import (
	"bytes"
	"testing"

	"odradek/core/record"
	"odradek/net/codec"
)

func TestSets(t *testing.T) {
	for _, name := range Names() {
		for _, size := range []int{SizeMin, 500, 10_000} {
			a, err := New(name, size, 1)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := New(name, size, 1)
			c, _ := New(name, size, 2)
			for i, v := range a.Values {
				if len(v) != size || !bytes.Equal(v[:StampSize], make([]byte, StampSize)) || len(a.Keys[i]) == 0 {
					t.Fatalf("%s, %d bytes: value %q, key %q", name, size, v, a.Keys[i])
				}
				if !bytes.Equal(v, b.Values[i]) {
					t.Fatalf("%s: the same seed gives another record", name)
				}
			}
			if name != "zeros" && size > SizeMin && bytes.Equal(bytes.Join(a.Values, nil), bytes.Join(c.Values, nil)) {
				t.Errorf("%s: another seed gives the same records", name)
			}
		}
		if About(name) == "" {
			t.Errorf("%s is not explained", name)
		}
	}
	if _, err := New("log", 8, 1); err == nil {
		t.Error("a record without room for payload is made")
	}
}

// The sets differ in what compression makes of them, and keep their order.
func TestEntropy(t *testing.T) {
	packed := map[string]float64{}
	for _, name := range Names() {
		s, err := New(name, 200, 1)
		if err != nil {
			t.Fatal(err)
		}
		plain := bytes.Join(s.Values, nil)
		out, err := new(codec.Codec).Compress(nil, plain, record.CodecZstd, record.DefaultLevel)
		if err != nil {
			t.Fatal(err)
		}
		packed[name] = float64(len(out)) / float64(len(plain))
	}
	if packed["zeros"] > 0.01 || packed["random"] < 0.95 || packed["log"] < 0.05 || packed["log"] > 0.6 || packed["card"] < packed["json"] {
		t.Errorf("zstd leaves %v", packed)
	}
}
