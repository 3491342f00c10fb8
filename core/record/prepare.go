package record

import (
	"errors"
	"fmt"
	"math"

	"odradek/core/errcode"
)

// CodecProducer is compression.type=producer: batches stay as they came.
const CodecProducer CodecID = -1

// Policy is what a topic demands of the batches produced to it.
type Policy struct {
	MaxMessageBytes      int32 // max.message.bytes: size of the batch as stored
	LogAppendTime        bool  // message.timestamp.type=LogAppendTime
	TimestampBeforeMaxMs int64 // message.timestamp.before.max.ms; math.MaxInt64: no bound
	TimestampAfterMaxMs  int64 // message.timestamp.after.max.ms
	Compression          CodecID
	Level                int  // of Compression, where that is a codec
	Compacted            bool // cleanup.policy has compact: every record needs a key
}

// DefaultPolicy is that of a topic without configuration (Kafka 4.x defaults).
func DefaultPolicy() Policy {
	return Policy{
		MaxMessageBytes: 1048588, TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: 3600000,
		Compression: CodecProducer, Level: DefaultLevel,
	}
}

// RecordError names one offending record of a batch (KIP-467). Index is its place in the batch, from 0.
type RecordError struct {
	Index   int32
	Message string
}

// maxRecordErrors bounds the RecordErrors of one batch; the code and message stand for the rest.
const maxRecordErrors = 100

// Refusal says why a batch is not accepted: the protocol's code, what is wrong, and the offending records where they are to blame.
type Refusal struct {
	Code    errcode.Code
	Message string
	Records []RecordError
	NoBatch bool // there is not one batch: refused whatever log it is for
}

// Error makes a Refusal readable in logs and tests.
func (r *Refusal) Error() string { return r.Code.String() + ": " + r.Message }

func refuse(code errcode.Code, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

func noBatch(format string, args ...any) *Refusal {
	r := refuse(errcode.InvalidRecord, format, args...)
	r.NoBatch = true
	return r
}

// Prepare checks the records that a client produces to one partition and makes them ready to append: all that Kafka's LogValidator
// and UnifiedLog.analyzeAndValidateRecords check (4.2.1) before they look at the log itself. See Preparer.
func Prepare(p *Policy, wall UnixMillis, codec Codec, data []byte, frame FrameID) (Batch, *Refusal) {
	return (&Preparer{Codec: codec}).Prepare(p, wall, data, frame)
}

// Preparer runs Prepare with a buffer for decompressed records that it reuses. One call at a time.
type Preparer struct {
	Codec   Codec
	Keep    int // the largest buffer kept between calls, in bytes; 0: maxScratch
	scratch []byte
}

// maxScratch is the largest buffer that a Preparer keeps unless told otherwise.
const maxScratch = 1 << 20

// Use has records decompressed into buf, as far as they fit. It is the caller's again when Use is called with another one, or nil.
func (pr *Preparer) Use(buf []byte) { pr.scratch = buf[:0] }

// Prepare returns the batch that data holds, or the reason to refuse it. data is changed in place where the topic stamps append time or
// the header's max timestamp is wrong (both under the CRC, which is taken anew); it must not be shared. The batch's Data is data and its
// Frame is frame, unless the topic's codec differs from the batch's: then Data is a new buffer and Frame is NoFrame. BaseOffset and
// LeaderEpoch are meaningless until Step assigns them. An uncompressed batch costs no allocation, and none is made per record.
//
// Whether the version of Produce permits zstd (from 7 on) is the connection's to check.
func (pr *Preparer) Prepare(p *Policy, wall UnixMillis, data []byte, frame FrameID) (Batch, *Refusal) {
	b, refusal := checkBatch(p, data)
	if refusal != nil && (b.Data == nil || b.BaseOffset == 0 || refusal.NoBatch) {
		return Batch{}, refusal
	}
	if b.BaseOffset != 0 { // said before the size and the CRC, as Kafka does
		return Batch{}, refuse(errcode.InvalidRecord, "the base offset of a produced batch is %d, not 0", b.BaseOffset)
	}
	if b.Attributes&AttrLogAppendTime != 0 {
		// Kafka refuses this where the topic stamps append time, and elsewhere takes the batch's max timestamp for that of
		// every record. No client writes it; one answer for both is simpler to rely on.
		return Batch{}, refuse(errcode.InvalidTimestamp, "the producer must not set the timestamp type to LogAppendTime")
	}
	b.Frame = frame
	return pr.finish(p, wall, b)
}

// Again prepares a batch anew that was prepared under another policy. It differs from Prepare in what it believes: the append time in
// the batch is ours, and so is a base offset. b.Data is changed as in Prepare.
func (pr *Preparer) Again(p *Policy, wall UnixMillis, b Batch) (Batch, *Refusal) {
	frame := b.Frame
	b, refusal := checkBatch(p, b.Data)
	if refusal != nil {
		return Batch{}, refusal
	}
	b.Frame = frame
	return pr.finish(p, wall, b)
}

// checkBatch checks everything about a batch that its records do not say.
func checkBatch(p *Policy, data []byte) (Batch, *Refusal) {
	if len(data) == 0 {
		return Batch{}, noBatch("a produce request needs one record batch for each partition")
	}
	b, err := ParseHeader(data)
	switch {
	case errors.Is(err, ErrLength):
		return b, refuse(errcode.CorruptMessage, "%v", err)
	case errors.Is(err, ErrMagic):
		return b, noBatch("%v: configure the producer for message format 2 (Kafka 0.11 or later)", err)
	case err != nil:
		return b, noBatch("%v", err)
	case b.Data == nil:
		return b, noBatch("the batch declares %d bytes and %d came", b.Size, len(data))
	case len(data) != len(b.Data):
		return b, noBatch("%d bytes follow the batch: a produce request may hold one batch for each partition", len(data)-len(b.Data))
	case b.Size > p.MaxMessageBytes:
		return b, tooLarge(p, int(b.Size))
	}
	if err := b.CheckCRC(); err != nil {
		return b, refuse(errcode.CorruptMessage, "%v", err)
	}
	if refusal := checkHeader(&b); refusal != nil {
		return b, refusal
	}
	return b, nil
}

func tooLarge(p *Policy, size int) *Refusal {
	return refuse(errcode.MessageTooLarge, "the batch has %d bytes; max.message.bytes of the topic is %d", size, p.MaxMessageBytes)
}

// checkHeader checks what a client's header may say.
func checkHeader(b *Batch) *Refusal {
	const horizon = "the delete horizon of a batch is the log cleaner's to set"
	switch codec := b.Attributes.Codec(); {
	case b.Count <= 0:
		return refuse(errcode.InvalidRecord, "the batch declares %d records", b.Count)
	case b.LastOffsetDelta != b.Count-1:
		return refuse(errcode.InvalidRecord, "the batch declares %d records and last offset delta %d", b.Count, b.LastOffsetDelta)
	case b.Attributes&AttrControl != 0:
		return refuse(errcode.InvalidRecord, "clients must not write control records")
	case b.Attributes&AttrDeleteHorizon != 0:
		return refuse(errcode.InvalidRecord, horizon)
	case codec > CodecZstd:
		return refuse(errcode.UnsupportedCompressionType, "codec %d is unknown: use none, gzip, snappy, lz4 or zstd", int(codec))
	case b.ProducerID < NoProducer:
		return refuse(errcode.InvalidRecord, "producer id %d is no producer id", b.ProducerID)
	case b.Idempotent() && b.BaseSequence < 0:
		return refuse(errcode.InvalidRecord, "producer id %d comes with sequence number %d", b.ProducerID, b.BaseSequence)
	case b.Idempotent() && b.ProducerEpoch < 0:
		return refuse(errcode.InvalidRecord, "producer id %d comes with producer epoch %d", b.ProducerID, b.ProducerEpoch)
	case !b.Idempotent() && b.Attributes&AttrTransactional != 0:
		return refuse(errcode.InvalidRecord, "a transactional batch needs a producer id: call InitProducerId first")
	}
	return nil
}

// finish checks the records and rewrites what the policy asks for.
func (pr *Preparer) finish(p *Policy, wall UnixMillis, b Batch) (Batch, *Refusal) {
	raw, refusal := pr.raw(&b)
	if refusal != nil {
		return Batch{}, refusal
	}
	highest, refusal := checkRecords(p, wall, &b, raw)
	if refusal != nil {
		return Batch{}, refusal
	}
	changed := false
	attributes := b.Attributes &^ AttrLogAppendTime
	if p.LogAppendTime {
		attributes |= AttrLogAppendTime
		highest = wall
	}
	if b.Attributes != attributes || b.MaxTimestamp != highest {
		b.Attributes, b.MaxTimestamp, changed = attributes, highest, true
	}
	if p.Compression != CodecProducer && p.Compression != b.Attributes.Codec() {
		if refusal := pr.recompress(p, &b, raw); refusal != nil {
			return Batch{}, refusal
		}
		changed = true
	}
	if changed {
		b.seal()
	}
	return b, nil
}

// raw returns the uncompressed records of b, in its Data or in pr.scratch.
func (pr *Preparer) raw(b *Batch) ([]byte, *Refusal) {
	raw, err := b.RawRecords(pr.Codec, pr.scratch)
	switch {
	case errors.Is(err, ErrTooLarge):
		return nil, refuse(errcode.MessageTooLarge, "the batch decompresses to more than %d bytes", MaxDecompressed)
	case errors.Is(err, errNoCodec):
		return nil, refuse(errcode.UnsupportedCompressionType, "%v", err)
	case err != nil:
		// The CRC is right, so a retry would bring the same bytes: not CORRUPT_MESSAGE, which clients retry.
		return nil, refuse(errcode.InvalidRecord, "the records do not decompress with %s: %v", b.Attributes.Codec(), err)
	}
	if b.Attributes.Codec() != CodecNone && cap(raw) <= max(pr.Keep, maxScratch) {
		pr.scratch = raw
	}
	return raw, nil
}

// recompress gives b a new buffer with raw under the policy's codec. The caller seals it.
func (pr *Preparer) recompress(p *Policy, b *Batch, raw []byte) *Refusal {
	data := make([]byte, HeaderSize, HeaderSize+len(raw))
	copy(data, b.Data[:HeaderSize])
	if p.Compression == CodecNone {
		data = append(data, raw...)
	} else {
		if pr.Codec == nil {
			return refuse(errcode.UnsupportedCompressionType, "%v", errNoCodec)
		}
		var err error
		if data, err = pr.Codec.Compress(data, raw, p.Compression, p.Level); err != nil {
			return refuse(errcode.UnknownServerError, "compress with %s: %v", p.Compression, err)
		}
	}
	if int64(len(data)) > int64(p.MaxMessageBytes) {
		return tooLarge(p, len(data))
	}
	// A batch written anew keeps the bits that mean something.
	b.Attributes = b.Attributes&(AttrLogAppendTime|AttrTransactional|AttrControl) | Attributes(p.Compression)
	b.Data, b.Frame = data, NoFrame
	return nil
}

// checkRecords parses every record of b, from first byte to last, and returns the highest of their timestamps.
func checkRecords(p *Policy, wall UnixMillis, b *Batch, raw []byte) (highest UnixMillis, refusal *Refusal) {
	highest = NoTimestamp
	low, high := p.bounds(wall)
	pos := 0
	for i := int32(0); i < b.Count; i++ {
		timestampDelta, offsetDelta, hasKey, next, ok := skimShort(raw, pos)
		if !ok {
			var fault string
			if timestampDelta, offsetDelta, hasKey, next, fault = skim(raw, pos); fault != "" {
				return 0, refuse(errcode.InvalidRecord, "record %d of %d: %s", i, b.Count, fault)
			}
		}
		if offsetDelta != i {
			return 0, refuse(errcode.InvalidRecord, "record %d has offset delta %d", i, offsetDelta)
		}
		pos = next
		timestamp := b.BaseTimestamp + UnixMillis(timestampDelta)
		highest = max(highest, timestamp)
		if p.Compacted && !hasKey {
			refusal = refusal.blame(errcode.InvalidRecord, i, "a record of a compacted topic needs a key")
		} else if (timestamp < low || timestamp > high) && timestamp != NoTimestamp {
			refusal = refusal.blame(errcode.InvalidTimestamp, i,
				"timestamp %d is further than %d ms before or %d ms after the broker's time %d",
				timestamp, p.TimestampBeforeMaxMs, p.TimestampAfterMaxMs, wall)
		}
	}
	if pos != len(raw) {
		return 0, refuse(errcode.InvalidRecord, "%d bytes follow the last of %d records", len(raw)-pos, b.Count)
	}
	return highest, refusal
}

// blame adds an offending record to r, which may be nil. One invalid timestamp makes the whole refusal one of timestamps (Kafka's
// LogValidator.processRecordErrors).
func (r *Refusal) blame(code errcode.Code, index int32, format string, args ...any) *Refusal {
	if r == nil {
		r = &Refusal{Code: code, Message: "records of the batch were refused; none was written"}
	}
	if code == errcode.InvalidTimestamp {
		r.Code = code
	}
	if len(r.Records) < maxRecordErrors {
		r.Records = append(r.Records, RecordError{Index: index, Message: fmt.Sprintf(format, args...)})
	}
	return r
}

// bounds are the least and greatest timestamps that a producer may write at the broker's time wall (KIP-937). A record without one passes.
func (p *Policy) bounds(wall UnixMillis) (low, high UnixMillis) {
	low, high = math.MinInt64, math.MaxInt64
	if p.LogAppendTime {
		return low, high
	}
	if before := UnixMillis(max(p.TimestampBeforeMaxMs, 0)); wall >= low+before { // else the difference does not fit
		low = wall - before
	}
	if after := UnixMillis(max(p.TimestampAfterMaxMs, 0)); wall <= high-after {
		high = wall + after
	}
	return low, high
}
