package proto

import "testing"

// Kafka's own vectors of its hash (org.apache.kafka.common.utils.UtilsTest).
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107} { // any order: each by itself
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) is %d, want %d", key, got, want)
		}
	}
	// Utils.toPositive(Utils.murmur2(key)) % 7, as java prints it.
	for key, want := range map[string]int32{"21": (-973932308 & 0x7fffffff) % 7, "abc": 479470107 % 7} { // any order: each by itself
		if got := KeyPartition([]byte(key), 7); got != want {
			t.Errorf("key %q goes to partition %d, want %d", key, got, want)
		}
	}
}
