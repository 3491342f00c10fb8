package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/internal/allocs"
)

// Null where Kafka's schema has none closes the connection, as it does there: kmsg would read an empty string or array.
func TestNullWhereNoneMayBe(t *testing.T) {
	for _, c := range []struct {
		key     api.Key
		version int16
		body    []byte
		want    string
	}{
		{api.Produce, 9, []byte{0, 0, 1, 0, 0, 0, 0, 2, 0, 1, 0, 0}, "topic name is null"},
		{api.Produce, 8, []byte{0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0}, "topic name is null"},
		{api.Produce, 9, []byte{0, 0, 1, 0, 0, 0, 0, 0, 0}, "topics is null"},
		{api.Fetch, 12, append(make([]byte, 17+8), 1, 1, 0, 0), "rack is null"},
		{api.ListOffsets, 6, []byte{0, 0, 0, 0, 0, 0, 0}, "array that must not be is null"},
		{api.ListOffsets, 6, []byte{0, 0, 0, 0, 0, 2, 0, 1, 0, 0}, "string that must not be is null"},
		{api.Metadata, 0, []byte{0xff, 0xff, 0xff, 0xff}, "array that must not be is null"},
		{api.Metadata, 9, []byte{2, 0, 0, 0, 0, 0, 0}, "string that must not be is null"},
		{api.Metadata, 1, []byte{0xff, 0xff, 0xff, 0xff}, ""},
		{api.Metadata, 12, append([]byte{2}, append(make([]byte, 16), 0, 0, 0, 0, 0)...), ""},
	} {
		_, err := NewConn(Info{Peer: "p"}).Decode(&Env{Prepare: plainPrepare}, rawBody(c.key, c.version, c.body))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v v%d %x: %v, want %q", c.key, c.version, c.body, err, c.want)
		}
	}
}

// Many topics of one partition each cost what one topic of many partitions does.
func TestManyTopicsAreCheap(t *testing.T) {
	produce, fetch := kmsg.NewPtrProduceRequest(), kmsg.NewPtrFetchRequest()
	produce.SetVersion(9)
	fetch.SetVersion(12)
	for i := range ProducePartitionsMax {
		name := fmt.Sprint(i)
		produce.Topics = append(produce.Topics, kmsg.ProduceRequestTopic{Topic: name, Partitions: make([]kmsg.ProduceRequestTopicPartition, 1)})
		fetch.Topics = append(fetch.Topics, kmsg.FetchRequestTopic{Topic: name, Partitions: make([]kmsg.FetchRequestTopicPartition, 1)})
	}
	for _, req := range []kmsg.Request{produce, fetch} {
		f := frameOf(1, req)
		var err error
		cost := allocs.Over(2*costPerByte*uint64(len(f.Data)), func() {
			_, err = NewConn(Info{Peer: "p"}).Decode(&Env{Prepare: plainPrepare}, f)
		})
		if cost > 0 || err != nil {
			t.Errorf("%v: %d bytes allocated for %d, %v", f.Key, cost, len(f.Data), err)
		}
	}
}
