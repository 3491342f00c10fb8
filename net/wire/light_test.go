package wire

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/record"
)

// A frame that DecodeLight gives up is decoded as if nothing had been: each batch is prepared once, by one or the other, and numbers go on without a gap.
func TestDecodeLight(t *testing.T) {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(11)
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "t"
	for i := range int32(4) {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = i, []byte{byte(i)}
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	for heavy := range int32(6) { // the partition that takes longer; 4 and 5: none
		var prepared []string
		env := &Env{
			Prepare: func(known *Policies, topic string, id record.UUID, part int32, data []byte, frame record.FrameID, version int16) api.ProducePartition {
				prepared = append(prepared, fmt.Sprint("full ", part))
				return plainPrepare(known, topic, id, part, data, frame, version)
			},
			Light: func(known *Policies, topic string, id record.UUID, part int32, data []byte, frame record.FrameID, version int16) (api.ProducePartition, bool) {
				if part == heavy {
					return api.ProducePartition{}, true
				}
				prepared = append(prepared, fmt.Sprint("light ", part))
				return plainPrepare(known, topic, id, part, data, frame, version), false
			},
		}
		c := NewConn(Info{Conn: 1})
		for number := range int32(2) {
			prepared = nil
			f := frameOf(number, req)
			v, later, err := c.DecodeLight(env, f)
			if err != nil || later != (heavy < 4) {
				t.Fatal(heavy, later, err)
			}
			if later {
				if v, err = c.Decode(env, f); err != nil {
					t.Fatal(err)
				}
			}
			var want []string
			for i := range int32(4) {
				want = append(want, fmt.Sprint(map[bool]string{true: "light ", false: "full "}[i < heavy], i))
			}
			if !slices.Equal(prepared, want) {
				t.Errorf("partition %d takes longer, request %d: prepared %v, want %v", heavy, number, prepared, want)
			}
			got := v.Request.Produce.Partitions
			if v.Request.Correlation != number || len(got) != 4 || v.Batches != 4 {
				t.Errorf("partition %d takes longer: request %d came as %d, with %d partitions and %d batches", heavy, number, v.Request.Correlation, len(got), v.Batches)
			}
			for i := range got {
				if got[i].Partition != int32(i) || got[i].Batch.Data[0] != byte(i) {
					t.Errorf("partition %d takes longer: number %d is %+v", heavy, i, got[i])
				}
			}
		}
		prepared = nil
		if _, err := c.Decode(env, frameOf(2, req)); err != nil || !slices.Equal(prepared, []string{"full 0", "full 1", "full 2", "full 3"}) {
			t.Errorf("partition %d took longer, and the next request was prepared as %v, %v", heavy, prepared, err)
		}
	}
}

// Without Light, DecodeLight is Decode.
func TestDecodeLightWithout(t *testing.T) {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(11)
	if _, later, err := NewConn(Info{}).DecodeLight(&Env{Prepare: plainPrepare}, frameOf(1, req)); later || err != nil {
		t.Error(later, err)
	}
	req.SetVersion(2)
	if _, later, err := NewConn(Info{}).DecodeLight(&Env{Prepare: plainPrepare}, frameOf(1, req)); later || err == nil {
		t.Error("a version that is not served: ", later, err)
	}
}
