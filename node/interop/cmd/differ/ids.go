package main

import (
	"crypto/sha256"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ids maps what a broker draws at random to names that are the same for both brokers, and back. A name that stands for nothing goes out as it is.
type ids struct {
	topics    map[[16]byte][16]byte // the broker's id to ours
	topicsOut map[[16]byte][16]byte
	lives     map[string]int // of a topic's name: how often it was created
	producers map[int64]int64
	out       map[int64]int64 // of producers
	sessions  map[int32]int32
	sessOut   map[int32]int32
	cluster   string
}

func newIDs() *ids {
	return &ids{topics: map[[16]byte][16]byte{}, topicsOut: map[[16]byte][16]byte{}, lives: map[string]int{}, producers: map[int64]int64{}, out: map[int64]int64{},
		sessions: map[int32]int32{}, sessOut: map[int32]int32{}}
}

// topicName is the common id of the nth topic of a name.
func topicName(name string, life int) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", name, life))
	return [16]byte(sum[:16])
}

func (x *ids) learnTopic(name string, id [16]byte) {
	if _, ok := x.topics[id]; ok || id == [16]byte{} {
		return
	}
	x.lives[name]++
	common := topicName(name, x.lives[name])
	x.topics[id], x.topicsOut[common] = common, id
}

// producerBase is the first of the common producer ids: far from any that a broker gives or a request makes up.
const producerBase = 1 << 40

func (x *ids) learnProducer(id int64) {
	if _, ok := x.producers[id]; !ok && id >= 0 {
		common := int64(producerBase + len(x.producers))
		x.producers[id], x.out[common] = common, id
	}
}

func (x *ids) learnSession(id int32) {
	if _, ok := x.sessions[id]; !ok && id != 0 {
		common := int32(1<<30 + len(x.sessions))
		x.sessions[id], x.sessOut[common] = common, id
	}
}

// outward replaces common names in a request by the broker's.
func (x *ids) outward(msg any) {
	walk(reflect.ValueOf(msg), func(field string, v reflect.Value) { swap(field, v, x.topicsOut, x.out, x.sessOut) })
}

// inward replaces the broker's names in a reply by the common ones, and what is random or bound to the machine by a constant.
func (x *ids) inward(msg any) {
	walk(reflect.ValueOf(msg), func(field string, v reflect.Value) {
		swap(field, v, x.topics, x.producers, x.sessions)
		mask(field, v, x.cluster)
	})
}

// validated masks the ids of topics that were only validated: nobody else hears of them.
func (x *ids) validated(resp *kmsg.CreateTopicsResponse) {
	for i := range resp.Topics {
		if t := &resp.Topics[i]; x.topics[t.TopicID] == [16]byte{} && t.TopicID != [16]byte{} {
			t.TopicID = [16]byte{0xff}
		}
	}
}

func swap(field string, v reflect.Value, topics map[[16]byte][16]byte, producers map[int64]int64, sessions map[int32]int32) {
	switch value := v.Interface().(type) {
	case [16]byte:
		if to, ok := topics[value]; ok {
			v.Set(reflect.ValueOf(to))
		}
	case int64:
		if to, ok := producers[value]; ok && field == "ProducerID" {
			v.SetInt(to)
		}
	case int32:
		if to, ok := sessions[value]; ok && field == "SessionID" {
			v.SetInt(int64(to))
		}
	}
}

// mask makes equal what cannot be: addresses, the cluster's id, paths, space on the disk, and the time at which a broker stamped something.
func mask(field string, v reflect.Value, cluster string) {
	switch {
	case field == "Port" && v.Int() > 0:
		v.SetInt(9092)
	case field == "Dir" && v.Kind() == reflect.String && v.String() != "":
		v.SetString("/data")
	case (field == "TotalBytes" || field == "UsableBytes" || field == "LogAppendTime") && v.Int() > 0:
		v.SetInt(1)
	case field == "ClusterID":
		if s, ok := v.Interface().(*string); ok && s != nil && *s == cluster {
			*s = "the cluster"
		} else if v.Kind() == reflect.String && v.String() == cluster {
			v.SetString("the cluster")
		}
	}
}

// walk visits each field below v that is not a struct or a list of structs.
func walk(v reflect.Value, visit func(field string, v reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if f.Kind() == reflect.Struct || f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct ||
				f.Kind() == reflect.Pointer && f.Type().Elem().Kind() == reflect.Struct {
				if v.Type().Field(i).Name != "UnknownTags" {
					walk(f, visit)
				}
				continue
			}
			visit(v.Type().Field(i).Name, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	}
}
