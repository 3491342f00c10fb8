package interop

import (
	enc "encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// raw is a connection on which requests are written as bytes, so that more than one may be under way, in any version.
type raw struct {
	t    *testing.T
	conn net.Conn
}

func dialRaw(t *testing.T, n *node) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", n.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{t, conn}
}

func (r *raw) send(correlation int32, req kmsg.Request) {
	r.t.Helper()
	if _, err := r.conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("raw")).AppendRequest(nil, req, correlation)); err != nil {
		r.t.Fatal(err)
	}
}

// receive returns the next response's correlation id and what follows it.
func (r *raw) receive() (correlation int32, body []byte) {
	r.t.Helper()
	var size [4]byte
	if _, err := io.ReadFull(r.conn, size[:]); err != nil {
		r.t.Fatal(err)
	}
	b := make([]byte, enc.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r.conn, b); err != nil {
		r.t.Fatal(err)
	}
	return int32(enc.BigEndian.Uint32(b)), b[4:]
}

// produceRequest is a Produce version 8 of one record for each timestamp; tamper may spoil the batch before its checksum is made.
func produceRequest(topic string, acks int16, tamper func(b *kmsg.RecordBatch), timestamps ...int64) *kmsg.ProduceRequest {
	b := kmsg.NewRecordBatch()
	b.Magic, b.PartitionLeaderEpoch, b.ProducerID, b.ProducerEpoch, b.FirstSequence = 2, -1, -1, -1, -1
	b.FirstTimestamp, b.LastOffsetDelta, b.NumRecords = timestamps[0], int32(len(timestamps)-1), int32(len(timestamps))
	for i, at := range timestamps {
		r := kmsg.Record{TimestampDelta64: at - timestamps[0], OffsetDelta: int32(i), Value: []byte("v")}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		b.Records = r.AppendTo(b.Records)
		b.MaxTimestamp = max(b.MaxTimestamp, at)
	}
	if tamper != nil {
		tamper(&b)
	}
	bytes := b.AppendTo(nil)
	enc.BigEndian.PutUint32(bytes[8:], uint32(len(bytes)-12))
	enc.BigEndian.PutUint32(bytes[17:], crc32.Checksum(bytes[21:], crc32.MakeTable(crc32.Castagnoli)))
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = bytes
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.ProduceRequestTopicPartition{p}
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis, req.Topics = 8, acks, 5000, []kmsg.ProduceRequestTopic{t}
	return req
}

func (r *raw) produced(body []byte) kmsg.ProduceResponseTopicPartition {
	r.t.Helper()
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = 8
	if err := resp.ReadFrom(body); err != nil || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		r.t.Fatalf("%x: %v", body, err)
	}
	return resp.Topics[0].Partitions[0]
}

// TestApiVersionsFallback asks in a version of the future: the answer is one that any client can read, names the range of this one key, and the connection
// stays. librdkafka, franz-go, sarama and kafka-python go on from there.
func TestApiVersionsFallback(t *testing.T) {
	r := dialRaw(t, start(t))
	frame := []byte{0, 0, 0, 14, 0, 18, 0, 99, 0, 0, 0, 7, 0, 3, 'r', 'a', 'w', 0}
	if _, err := r.conn.Write(frame); err != nil {
		t.Fatal(err)
	}
	correlation, body := r.receive()
	resp := kmsg.NewPtrApiVersionsResponse() // version 0
	if err := resp.ReadFrom(body); err != nil || correlation != 7 || resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].ApiKey != 18 ||
		len(body) != 2+4+6 {
		t.Fatalf("%d: %+v, %v", correlation, resp, err)
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = resp.ApiKeys[0].MaxVersion, "raw", "1"
	r.send(8, req)
	correlation, body = r.receive()
	resp.Version = req.Version
	if err := resp.ReadFrom(body); err != nil || correlation != 8 || resp.ErrorCode != 0 || len(resp.ApiKeys) < 20 {
		t.Errorf("%d: %+v, %v", correlation, resp, err)
	}
}

// TestAcksZero sends produces that want no answer: they get none, the next answer is the next request's, and what fails closes the connection without a word.
func TestAcksZero(t *testing.T) {
	n := start(t, "auto.create.topics.enable=false")
	createTopic(t, client(t, n), "zero", 1)
	r, now := dialRaw(t, n), time.Now().UnixMilli()
	for i := range int32(5) {
		r.send(i, produceRequest("zero", 0, nil, now))
	}
	r.send(5, produceRequest("zero", -1, nil, now))
	correlation, body := r.receive()
	if p := r.produced(body); correlation != 5 || p.ErrorCode != 0 || p.BaseOffset != 5 {
		t.Fatalf("the first answer is %d: %+v", correlation, p)
	}
	r.send(6, produceRequest("nothing", 0, nil, now))
	if b, err := io.ReadAll(r.conn); err != nil || len(b) != 0 {
		t.Errorf("a failure with acks=0: %x, %v", b, err)
	}
}

// TestPipelinedAnswers sends many produces, good and bad, without waiting: they are answered in the order of asking.
func TestPipelinedAnswers(t *testing.T) {
	n := start(t, "auto.create.topics.enable=false")
	createTopic(t, client(t, n), "pipe", 1)
	r, now := dialRaw(t, n), time.Now().UnixMilli()
	const asked = 50
	for i := range int32(asked) {
		topic := "pipe"
		if i%5 == 4 {
			topic = "nothing"
		}
		r.send(i, produceRequest(topic, -1, nil, now))
	}
	for i, offset := int32(0), int64(0); i < asked; i++ {
		correlation, body := r.receive()
		p := r.produced(body)
		if correlation != i {
			t.Fatalf("answer %d is to request %d", i, correlation)
		}
		if i%5 == 4 {
			if p.ErrorCode != kerr.UnknownTopicOrPartition.Code {
				t.Fatalf("answer %d: %+v", i, p)
			}
			continue
		}
		if p.ErrorCode != 0 || p.BaseOffset != offset {
			t.Fatalf("answer %d: %+v", i, p)
		}
		offset++
	}
}

// TestRecordErrors has batches refused for some of their records: the answer names them (KIP-467), and nothing of the batch is kept.
func TestRecordErrors(t *testing.T) {
	n := start(t)
	c := client(t, n)
	if _, err := kadm.NewClient(c).CreateTopic(deadline(t, 10*time.Second), 1, 1, map[string]*string{"message.timestamp.before.max.ms": text("60000")}, "rec"); err != nil {
		t.Fatal(err)
	}
	r, now := dialRaw(t, n), time.Now().UnixMilli()
	r.send(1, produceRequest("rec", -1, nil, now, now-3_600_000, now, now-7_200_000))
	_, body := r.receive()
	p := r.produced(body)
	if p.ErrorCode != kerr.InvalidTimestamp.Code || p.ErrorMessage == nil || len(p.ErrorRecords) != 2 || p.ErrorRecords[0].RelativeOffset != 1 ||
		p.ErrorRecords[1].RelativeOffset != 3 || p.ErrorRecords[0].ErrorMessage == nil {
		t.Errorf("two old records: %+v", p)
	}
	r.send(2, produceRequest("rec", -1, func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 7 }, now, now))
	_, body = r.receive()
	if p := r.produced(body); !errors.Is(kerr.ErrorForCode(p.ErrorCode), kerr.InvalidRecord) || p.ErrorMessage == nil {
		t.Errorf("a batch that lies about its offsets: %+v", p)
	}
	if end := topicEnd(t, c, "rec"); end != 0 {
		t.Errorf("%d records of refused batches are there", end)
	}
}
