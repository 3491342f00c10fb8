package wire

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/query"
	"odradek/core/record"
)

// PrepareBatch runs record.Prepare against a policy: with the runtime's clock, codec and buffers.
type PrepareBatch func(p *record.Policy, data []byte, frame record.FrameID) (record.Batch, *record.Refusal)

// PrepareLight is PrepareBatch as far as it takes little: later says that it would take more, and that nothing has been changed.
type PrepareLight func(p *record.Policy, data []byte, frame record.FrameID) (b record.Batch, refusal *record.Refusal, later bool)

// zstdSince is the first version of Produce and Fetch in which clients know zstd (KIP-110).
const zstdSince = 7

// NewEnv returns what connections decide by while view is the newest committed one. Without light DecodeLight is Decode.
func NewEnv(committed *query.View, prepare PrepareBatch, light PrepareLight) *Env {
	current := *committed
	current.Config = committed.Config.At(committed.Image)
	view := &current
	env := &Env{
		Image: view.Image,
		Query: func(r *core.Request) (kmsg.Response, bool) {
			return query.Answer(view, r.Body, r.Reached())
		},
		Prepare: func(known *Policies, topic string, id record.UUID, partition int32, data []byte, frame record.FrameID, version int16) api.ProducePartition {
			p, _ := prepareFor(view, known, topic, id, partition, data, version, func(policy *record.Policy) (record.Batch, *record.Refusal, bool) {
				b, refusal := prepare(policy, data, frame)
				return b, refusal, false
			})
			return p
		},
		Features: func() Features { return featuresOf(view.Image) },
	}
	if light != nil {
		env.Light = func(known *Policies, topic string, id record.UUID, partition int32, data []byte, frame record.FrameID, version int16) (api.ProducePartition, bool) {
			return prepareFor(view, known, topic, id, partition, data, version, func(policy *record.Policy) (record.Batch, *record.Refusal, bool) {
				return light(policy, data, frame)
			})
		}
	}
	return env
}

// prepareFor prepares a batch against the policy of its topic.
func prepareFor(view *query.View, known *Policies, topic string, id record.UUID, partition int32, data []byte, version int16,
	prepare func(*record.Policy) (record.Batch, *record.Refusal, bool)) (p api.ProducePartition, later bool) {
	p = api.ProducePartition{Topic: topic, TopicID: id, Partition: partition}
	t, ok := view.Image.Topic(topic)
	if !ok {
		p.Err = errcode.UnknownTopicOrPartition
		return p, false
	}
	p.TopicID = t.ID
	// What the client sent counts, not what the topic makes of it: a topic may keep zstd whatever its producers speak.
	if sent, err := record.ParseHeader(data); err == nil && sent.Attributes.Codec() == record.CodecZstd && version < zstdSince {
		p.Err, p.NoBatch, p.Message = errcode.UnsupportedCompressionType, true, "zstd needs Produce version 7 or later"
		return p, false
	}
	b, refusal, later := prepare(known.of(view, topic))
	if refusal != nil {
		p.Err, p.Message, p.Errors, p.NoBatch = refusal.Code, refusal.Message, refusal.Records, refusal.NoBatch
		return p, later
	}
	p.Batch = b
	return p, later
}

// Policies remembers what a connection was told of topics' policies: to read a topic's configs costs as much as to check a small batch.
type Policies struct {
	at    image.At // of the image of which they are: every change of metadata makes another one
	known map[string]*record.Policy
}

// of returns the policy of a topic.
func (p *Policies) of(view *query.View, topic string) *record.Policy {
	if at := view.Image.At(); p.at != at || len(p.known) >= namesMax {
		p.at = at
		clear(p.known)
	}
	policy := p.known[topic]
	if policy == nil {
		if p.known == nil {
			p.known = make(map[string]*record.Policy)
		}
		own := *policyOf(view, topic) // a copy: an idle connection must not hold on to a view of long ago
		policy = &own
		p.known[topic] = policy
	}
	return policy
}

// policyOf returns the policy of a topic: the node's own where the topic sets nothing.
func policyOf(view *query.View, topic string) *record.Policy {
	entries := config.Entries(view.Image, image.ResourceTopic, topic)
	if len(entries) == 0 {
		return &view.Config.Topic.Policy
	}
	t, _ := config.StoredTopic(view.Config, entries) // the core has said in a Note what does not act
	return &t.Policy
}

func featuresOf(img *image.Image) Features {
	f := Features{FinalizedEpoch: int64(img.Offset())}
	for _, own := range image.Supported() {
		supported := kmsg.NewApiVersionsResponseSupportedFeature()
		supported.Name, supported.MinVersion, supported.MaxVersion = own.Name, own.Min, own.Max
		f.Supported = append(f.Supported, supported)
	}
	for name, level := range img.Features() {
		finalized := kmsg.NewApiVersionsResponseFinalizedFeature()
		finalized.Name, finalized.MinVersionLevel, finalized.MaxVersionLevel = name, level, level
		f.Finalized = append(f.Finalized, finalized)
	}
	return f
}
