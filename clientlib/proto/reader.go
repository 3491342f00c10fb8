package proto

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// ReaderConfig is what a Reader is made from.
type ReaderConfig struct {
	Topic     string
	TopicID   record.UUID // for Version 13 and later
	Partition int32
	From      record.Offset
	MaxBytes  int32
	MinBytes  int32
	MaxWaitMs int32
	Version   int16 // of Fetch: 4–18
	Codec     record.Codec
}

// Received is one record as read. Key and Value alias memory that is the caller's.
type Received struct {
	Offset     record.Offset
	Epoch      record.Epoch
	Timestamp  record.UnixMillis
	Key, Value []byte
	Headers    []record.Header

	// Of the batch that the record is in.
	Attributes    record.Attributes
	ProducerID    record.ProducerID // -1: none
	ProducerEpoch int16             // -1: none
}

// received is a record as it stands in its batch. Its headers are its own, its bytes the batch's.
func received(b *record.Batch, r *record.Record) Received {
	return Received{Offset: b.BaseOffset + record.Offset(r.OffsetDelta), Epoch: b.LeaderEpoch, Timestamp: b.Timestamp(r), Key: r.Key, Value: r.Value,
		Headers: append([]record.Header(nil), r.Headers...), Attributes: b.Attributes, ProducerID: b.ProducerID, ProducerEpoch: b.ProducerEpoch}
}

// ErrOutOfRange says that the position lies outside the log. After a power loss that is possible where flush.messages is above 1; elsewhere records were lost.
var ErrOutOfRange = errors.New("the position is out of range")

// Reader reads one partition from an offset on, and checks every CRC.
type Reader struct {
	cfg   ReaderConfig
	next  record.Offset
	asked bool
	since int64
	hw    record.Offset
	start record.Offset
}

// NewReader returns a reader at cfg.From.
func NewReader(cfg ReaderConfig) *Reader { return &Reader{cfg: cfg, next: cfg.From} }

// Position is the next offset to read.
func (r *Reader) Position() record.Offset { return r.next }

// HighWatermark is what the broker last said.
func (r *Reader) HighWatermark() record.Offset { return r.hw }

// LogStart is what the broker last said; 0 before version 5.
func (r *Reader) LogStart() record.Offset { return r.start }

// Lost tells that the connection is gone.
func (r *Reader) Lost() { r.asked = false }

// Poll returns the next request to send, nil if there is none now. now is in nanoseconds.
func (r *Reader) Poll(now int64) kmsg.Request {
	if r.asked || now < r.since {
		return nil
	}
	r.asked = true
	req := newFetch(&r.cfg)
	req.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = r.cfg.Topic, r.cfg.TopicID
	t.Partitions = append(t.Partitions, r.asks())
	req.Topics = append(req.Topics, t)
	return req
}

// newFetch is a Fetch without partitions.
func newFetch(cfg *ReaderConfig) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(cfg.Version)
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = cfg.MaxWaitMs, cfg.MinBytes, cfg.MaxBytes
	return req
}

// asks is the partition as a Fetch asks for it.
func (r *Reader) asks() kmsg.FetchRequestTopicPartition {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = r.cfg.Partition, int64(r.next), r.cfg.MaxBytes
	return p
}

// Deadline returns when Poll may have something that it has not now.
func (r *Reader) Deadline(now int64) (int64, bool) { return r.since, !r.asked && r.since > now }

// Answered brings the answer and returns the records at and after the position, in order. An error means that the broker served wrong bytes.
func (r *Reader) Answered(now int64, response kmsg.Response) ([]Received, error) {
	r.asked = false
	fetched := response.(*kmsg.FetchResponse)
	if fetched.ErrorCode != 0 || len(fetched.Topics) == 0 || len(fetched.Topics[0].Partitions) == 0 {
		r.since = now + retryBackoff
		return nil, nil
	}
	return r.answered(now, &fetched.Topics[0].Partitions[0])
}

// answered takes what one partition was answered.
func (r *Reader) answered(now int64, p *kmsg.FetchResponseTopicPartition) ([]Received, error) {
	if code := errcode.Code(p.ErrorCode); code != errcode.None {
		r.since = now + retryBackoff
		if code == errcode.OffsetOutOfRange {
			return nil, fmt.Errorf("%w: offset %d, log start %d, high watermark %d", ErrOutOfRange, r.next, p.LogStartOffset, p.HighWatermark)
		}
		return nil, nil
	}
	r.hw = record.Offset(p.HighWatermark)
	if r.cfg.Version >= 5 {
		r.start = record.Offset(p.LogStartOffset)
	}
	return r.take(p.RecordBatches)
}

func (r *Reader) take(data []byte) ([]Received, error) {
	var out []Received
	it := record.Batches(data)
	for it.Next() {
		b := it.Batch
		if err := b.CheckCRC(); err != nil {
			return out, fmt.Errorf("batch at offset %d: %w", b.BaseOffset, err)
		}
		if b.NextOffset() <= r.next || b.Control() {
			r.next = max(r.next, b.NextOffset())
			continue
		}
		records := b.Records(r.cfg.Codec, nil)
		for records.Next() {
			rec := &records.Record
			if b.BaseOffset+record.Offset(rec.OffsetDelta) >= r.next {
				out = append(out, received(&b, rec))
			}
		}
		if err := records.Err(); err != nil {
			return out, fmt.Errorf("batch at offset %d: %w", b.BaseOffset, err)
		}
		r.next = b.NextOffset()
	}
	if it.Err() != nil {
		return out, it.Err()
	}
	return out, nil
}
