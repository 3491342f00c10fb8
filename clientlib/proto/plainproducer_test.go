package proto

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

func newIdempotent(t *testing.T, batches int) *PlainProducer {
	t.Helper()
	p := NewPlainProducer(PlainProducerConfig{Topic: "t", Partitions: 1, Acks: -1, Idempotent: true, InFlight: 5, Version: 9})
	for range batches {
		p.Produce(0, []Message{{Value: []byte("a")}, {Value: []byte("b")}}, record.CodecNone)
	}
	initialise(t, p, 7)
	return p
}

// initialise answers the InitProducerId that must come next.
func initialise(t *testing.T, p *PlainProducer, id int64) {
	t.Helper()
	req, ok := p.Poll(0).(*kmsg.InitProducerIDRequest)
	if !ok {
		t.Fatal("no InitProducerId")
	}
	p.Answered(0, req, &kmsg.InitProducerIDResponse{ProducerID: id})
}

func answer(p *PlainProducer, now int64, req kmsg.Request, code errcode.Code) (PlainDelivery, bool) {
	resp := kmsg.NewPtrProduceResponse()
	q := kmsg.NewProduceResponseTopicPartition()
	q.ErrorCode = int16(code)
	resp.Topics = []kmsg.ProduceResponseTopic{{Topic: "t", Partitions: []kmsg.ProduceResponseTopicPartition{q}}}
	return p.Answered(now, req, resp)
}

func header(t *testing.T, req kmsg.Request) record.Batch {
	t.Helper()
	b, err := record.ParseHeader(req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A broker that knows nothing of a producer id takes any sequence for the first. So the second batch leaves only when the first is acknowledged.
func TestFirstBatchIsAlone(t *testing.T) {
	p := newIdempotent(t, 3)
	first := p.Poll(0)
	if first == nil || p.Poll(0) != nil {
		t.Fatal("the first batch must be under way alone")
	}
	answer(p, 0, first, errcode.KafkaStorageError)
	if first = p.Poll(retryBackoff); first == nil || p.Poll(retryBackoff) != nil {
		t.Fatal("so must its retry")
	}
	if d, ok := answer(p, retryBackoff, first, errcode.None); !ok || d.ID != 1 {
		t.Fatal(d, ok)
	}
	if p.Poll(retryBackoff) == nil || p.Poll(retryBackoff) == nil {
		t.Fatal("the others may be under way together")
	}
}

// A batch that is refused as out of order though nothing before it is under way follows something that the broker has lost: it and what is behind it begin
// anew under another id.
func TestLaneBeginsAnew(t *testing.T) {
	p := newIdempotent(t, 3)
	answer(p, 0, p.Poll(0), errcode.None)
	now := int64(0)
	for range plainGapsMax {
		req := p.Poll(now)
		if b := header(t, req); b.ProducerID != 7 || b.BaseSequence != 2 {
			t.Fatalf("producer %d, sequence %d", b.ProducerID, b.BaseSequence)
		}
		answer(p, now, req, errcode.OutOfOrderSequenceNumber)
		now += 2 * retryBackoff
	}
	req, ok := p.Poll(now).(*kmsg.InitProducerIDRequest)
	if !ok {
		t.Fatal("no new id is asked for")
	}
	p.Answered(now, req, &kmsg.InitProducerIDResponse{ProducerID: 8})
	if b := header(t, p.Poll(now)); b.ProducerID != 8 || b.BaseSequence != 0 {
		t.Fatalf("producer %d, sequence %d", b.ProducerID, b.BaseSequence)
	}
	if p.Pending() != 2 {
		t.Fatal("batches were lost")
	}
}

// What is under way counts from the first batch that is not delivered. Were the window to move on while the first waits for its retry, the broker could forget
// it, and take its retry for a batch out of order.
func TestWindowBeginsAtTheFirst(t *testing.T) {
	p := newIdempotent(t, 8)
	answer(p, 0, p.Poll(0), errcode.None)
	var sent []kmsg.Request
	for req := p.Poll(0); req != nil; req = p.Poll(0) {
		sent = append(sent, req)
	}
	if len(sent) != 5 {
		t.Fatalf("%d batches are under way", len(sent))
	}
	answer(p, 0, sent[0], errcode.RequestTimedOut)
	for _, req := range sent[1:] {
		answer(p, 0, req, errcode.None)
	}
	if b := header(t, p.Poll(retryBackoff)); b.BaseSequence != 2 {
		t.Fatalf("sequence %d is sent, want the first again", b.BaseSequence)
	}
	if p.Poll(retryBackoff) != nil {
		t.Fatal("the window has moved on without the first")
	}
}
