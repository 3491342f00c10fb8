package kafka

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// A head with its length set, and a batch behind it, is the request that kmsg reads.
func TestProduceHead(t *testing.T) {
	batch := []byte("the bytes of a batch")
	head := ProduceHead("a-topic", 7, -1)
	for _, b := range [][]byte{[]byte("longer than the one that is sent in the end"), batch} {
		SetLength(head, len(b))
	}
	frame := append(bytes.Clone(head), batch...)
	if n := int(binary.BigEndian.Uint32(frame)); n != len(frame)-4 {
		t.Fatalf("the frame says %d bytes and has %d", n, len(frame)-4)
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(int16(binary.BigEndian.Uint16(frame[6:])))
	if err := req.ReadFrom(frame[4+8+2+len(clientID):]); err != nil {
		t.Fatal(err)
	}
	p := req.Topics[0].Partitions[0]
	if req.Acks != -1 || req.Topics[0].Topic != "a-topic" || p.Partition != 7 || !bytes.Equal(p.Records, batch) {
		t.Errorf("read as %+v", req)
	}
}

func TestProduced(t *testing.T) {
	resp := kmsg.NewPtrProduceResponse()
	resp.SetVersion(produceVersion)
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "a-topic"
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition, p.BaseOffset, p.ErrorCode = 7, 123456789012, int16(errcode.NotLeaderOrFollower)
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	frame := resp.AppendTo([]byte{0, 0, 0, 1})
	base, code, err := Produced(frame, "a-topic")
	if base != 123456789012 || code != errcode.NotLeaderOrFollower || err != nil {
		t.Errorf("read as offset %d, %v, %v", base, code, err)
	}
	if _, _, err := Produced(frame[:20], "a-topic"); err == nil {
		t.Error("a response that is cut off is read")
	}
}
