package main

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// field is one field of a message; tree is a message. A list is a list value. Leaves are int64, string, bool, []byte as string, or nil.
type field struct {
	name  string
	value any
}

type (
	tree []field
	list []any
)

// named are the fields that say which element of a list one is: lists are compared by them, since Kafka keeps many in the order of a hash table.
var named = []string{"Topic", "TopicID", "Name", "Type", "ResourceType", "ResourceName", "Partition", "ApiKey", "Key", "ProducerID", "Dir", "RelativeOffset"}

// toTree makes a tree of a decoded reply.
func toTree(v reflect.Value, x *ids) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return toTree(v.Elem(), x)
	case reflect.Struct:
		var out tree
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			switch {
			case name == "UnknownTags" || name == "Version":
			case name == "RecordBatches":
				batches, rest := split(v.Field(i).Bytes())
				var all list
				for _, b := range batches {
					all = append(all, readBatch(b, x.producers))
				}
				out = append(out, field{name, all}, field{"BytesLeft", int64(rest)})
			default:
				out = append(out, field{name, toTree(v.Field(i), x)})
			}
		}
		return out
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return string(v.Bytes())
		}
		if v.IsNil() {
			return list(nil)
		}
		out := list{}
		for i := range v.Len() {
			if e := toTree(v.Index(i), x); !internal(e) {
				out = append(out, e)
			}
		}
		out = joined(out)
		if v.Type() == reflect.TypeFor[[]kmsg.DeleteTopicsResponseTopic]() { // Kafka shuffles them, so that nobody learns from their places what there is
			slices.SortStableFunc(out, func(a, b any) int {
				return cmp.Compare(a.(tree).get("ErrorCode").(int64), b.(tree).get("ErrorCode").(int64))
			})
		}
		if len(out) == 0 && v.Len() > 0 { // as if there had been nothing
			return list(nil)
		}
		return out
	case reflect.Array:
		return fmt.Sprintf("%x", v.Interface())
	case reflect.Bool:
		return v.Bool()
	case reflect.String:
		return v.String()
	case reflect.Float64:
		return fmt.Sprint(v.Float())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(v.Uint())
	}
	return v.Int()
}

// internal reports whether an element of a list is one of Kafka's own topics. No request names one.
func internal(e any) bool {
	t, ok := e.(tree)
	if !ok {
		return false
	}
	topic, _ := t.get("Topic").(string)
	name, _ := t.get("Name").(string)
	return strings.HasPrefix(topic, "__") || strings.HasPrefix(name, "__")
}

// joined puts the partitions of a topic that is named twice in a row of topics together: Kafka groups those that it refuses before it reads.
func joined(l list) list {
	at := map[string]int{}
	var out list
	for _, e := range l {
		t, ok := e.(tree)
		parts, ok2 := t.get("Partitions").(list)
		if name := key(e); ok && ok2 && t.get("Topic") != nil {
			if i, seen := at[name]; seen {
				first := out[i].(tree)
				for k := range first {
					if first[k].name == "Partitions" {
						first[k].value = append(first[k].value.(list), parts...)
					}
				}
				continue
			}
			at[name] = len(out)
		}
		out = append(out, e)
	}
	if out == nil {
		return l
	}
	return out
}

func (t tree) get(name string) any {
	for _, f := range t {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// key names an element of a list; "" if nothing in it is a name.
func key(e any) string {
	t, ok := e.(tree)
	if !ok {
		return ""
	}
	var b strings.Builder
	for _, name := range named {
		if v := t.get(name); v != nil {
			fmt.Fprintf(&b, "%s=%v ", name, v)
		}
	}
	if id := t.get("NodeID"); id != nil && b.Len() == 0 {
		fmt.Fprintf(&b, "NodeID=%v", id)
	}
	return strings.TrimSpace(b.String())
}

// difference is one place in which two replies differ. Of an element that only one has, the other is absent.
type difference struct {
	path  string // with the names of elements: Topics[Topic=a].Partitions[Partition=0].ErrorCode
	plain string // without: Topics.Partitions.ErrorCode
	kafka any
	ours  any
	rule  string
}

type absent struct{}

func (absent) String() string { return "nothing" }

func (d *difference) String() string {
	return fmt.Sprintf("%s: Kafka %v, ours %v", d.path, show(d.kafka), show(d.ours))
}

func show(v any) string {
	if s := text(v); len(s) <= 400 {
		return s
	}
	return text(v)[:400] + "…"
}

func differences(path, plain string, kafka, ours any, out []difference) []difference {
	switch k := kafka.(type) {
	case tree:
		o, ok := ours.(tree)
		if !ok {
			break
		}
		for i := range k {
			out = differences(join(path, k[i].name), join(plain, k[i].name), k[i].value, o.get(k[i].name), out)
		}
		return out
	case list:
		o, ok := ours.(list)
		if !ok {
			break
		}
		if (k == nil) != (o == nil) {
			return append(out, difference{path: path, plain: plain, kafka: k, ours: o})
		}
		return elements(path, plain, k, o, out)
	}
	if !reflect.DeepEqual(kafka, ours) {
		out = append(out, difference{path: path, plain: plain, kafka: kafka, ours: ours})
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// elements compares lists: elements that have names by name and how often it came before, others by place.
func elements(path, plain string, kafka, ours list, out []difference) []difference {
	byName := map[string]any{}
	for i, n := range numbered(ours) {
		byName[n] = ours[i]
	}
	seen := map[string]bool{}
	for i, n := range numbered(kafka) {
		o, ok := byName[n]
		at := fmt.Sprintf("%s[%s]", path, n)
		if seen[n] = true; !ok {
			out = append(out, difference{path: at, plain: plain, kafka: kafka[i], ours: absent{}})
			continue
		}
		out = differences(at, plain, kafka[i], o, out)
	}
	for i, n := range numbered(ours) {
		if !seen[n] {
			out = append(out, difference{path: fmt.Sprintf("%s[%s]", path, n), plain: plain, kafka: absent{}, ours: ours[i]})
		}
	}
	return out
}

func numbered(l list) []string {
	count := map[string]int{}
	out := make([]string, len(l))
	for i, e := range l {
		k := key(e)
		count[k]++
		if out[i] = k; k == "" {
			out[i] = fmt.Sprint(i)
		} else if count[k] > 1 {
			out[i] = fmt.Sprintf("%s #%d", k, count[k])
		}
	}
	return out
}

// codes lists the error codes of a reply.
func codes(msg kmsg.Response, seen func(int16)) {
	walk(reflect.ValueOf(msg), func(name string, v reflect.Value) {
		if name == "ErrorCode" {
			seen(int16(v.Int()))
		}
	})
}
