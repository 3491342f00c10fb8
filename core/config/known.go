package config

import (
	"fmt"
	"math"
	"strings"
)

// KeyError says which key is wrong, so that who knows where it was given can say that too.
type KeyError struct {
	Key string
	Err error
}

func (e *KeyError) Error() string { return e.Err.Error() }
func (e *KeyError) Unwrap() error { return e.Err }

func wrong(key, format string, args ...any) error { return &KeyError{key, fmt.Errorf(format, args...)} }

const inertDoc = "A key of Kafka's that has no effect here; kept and shown, for tools that copy configurations."

// plugInKeys are keys that Kafka hands on to classes: to its authorizer, to plug-ins, to one listener. Those that end in a dot begin others' names.
var plugInKeys = []string{"allow.everyone.if.no.acl.found", "super.users", "listener.name.", "rlmm.config.", "rsm.config."}

// removedKeys are keys of older brokers that Kafka 4 no longer has, and why they can be left out. Those that end in a dot begin others' names.
var removedKeys = [][2]string{
	{"broker.id.generation.enable", "node.id is always given"},
	{"control.plane.listener.name", "controllers have listeners of their own"},
	{"controlled.shutdown.", "a stop is always a controlled one"},
	{"delegation.token.master.key", "it is delegation.token.secret.key now"},
	{"inter.broker.protocol.version", "the feature metadata.version took its place"},
	{"leader.imbalance.per.broker.percentage", "it had no effect with KRaft"},
	{"log.message.downconversion.enable", "nothing is down-converted any more"},
	{"log.message.format.version", "record batches have one format, version 2"},
	{"log.message.timestamp.difference.max.ms", "log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms took its place"},
	{"offsets.commit.required.acks", "commits always wait for all in-sync replicas"},
	{"password.encoder.", "it belonged to ZooKeeper"},
	{"reserved.broker.max.id", "it belonged to ZooKeeper"},
	{"zookeeper.", "metadata lies in a log of the cluster's own"},
}

// Known returns the key of that name: one of NodeKeys, which act, or one that Kafka knows and that has no effect here (acts is false).
func Known(name string) (k *Key, acts bool) {
	if k, ok := Find(NodeKeys, name); ok {
		return k, true
	}
	for line := range strings.Lines(kafkaKeys) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != name {
			continue
		}
		k := &Key{Name: name, Type: typesByName[fields[1]], Min: math.MinInt64, Max: math.MaxInt64, Doc: inertDoc}
		if len(fields) > 2 && fields[2] != "null" {
			k.Default = fields[2]
		}
		return k, false
	}
	if inList(plugInKeys, name) {
		return &Key{Name: name, Type: String, Doc: inertDoc}, false
	}
	return nil, false
}

// nullDefault reports whether Kafka's broker has no default for a key.
func nullDefault(name string) bool {
	_, rest, ok := strings.Cut(kafkaKeys, "\n"+name+" ")
	line, _, _ := strings.Cut(rest, "\n")
	return ok && strings.HasSuffix(line, " null")
}

var typesByName = map[string]Type{"BOOLEAN": Bool, "INT": Int, "LONG": Long, "SHORT": Short, "STRING": String, "LIST": List, "DOUBLE": Number, "CLASS": Class, "PASSWORD": Password}

func inList(list []string, name string) bool {
	for _, known := range list {
		if name == known || strings.HasSuffix(known, ".") && strings.HasPrefix(name, known) {
			return true
		}
	}
	return false
}

// unknown says what to do about a key that a node cannot be given.
func unknown(name string) error {
	for _, r := range removedKeys {
		if inList(r[:1], name) {
			return wrong(name, "configuration key %q is gone since Kafka 4: leave it out; %s", name, r[1])
		}
	}
	best, distance := nearest(name, "", math.MaxInt, names(NodeKeys))
	var kafkas []string
	for line := range strings.Lines(kafkaKeys) {
		if fields := strings.Fields(line); len(fields) > 0 {
			kafkas = append(kafkas, fields[0])
		}
	}
	best, _ = nearest(name, best, distance, kafkas)
	return wrong(name, "unknown configuration key %q: did you mean %q?", name, best)
}

// Inert returns the keys among the entries that have no effect here, each once.
func Inert(entries []Entry) []string {
	var out []string
	for _, e := range entries {
		if k, acts := Known(e.Key); k != nil && !acts && !inList(out, e.Key) {
			out = append(out, e.Key)
		}
	}
	return out
}
