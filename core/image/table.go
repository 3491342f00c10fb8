package image

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"odradek/core/record"
)

// buckets is the number of buckets of a table. A change copies one bucket, so 100 000 topics cost some 400 pointers a change.
const buckets = 256

// key is what a table is sorted and hashed by.
type key[K any] interface {
	bucket() uint8
	compare(other K) int
}

type (
	nameKey string
	uuidKey record.UUID
	nodeKey record.NodeID
	// resourceKey names what a config belongs to.
	resourceKey struct {
		kind ResourceType
		name string
	}
	// credentialKey names a SCRAM credential.
	credentialKey struct {
		name      string
		mechanism int8
	}
)

func (k nameKey) bucket() uint8       { return uint8(xxhash.Sum64String(string(k))) }
func (k uuidKey) bucket() uint8       { return uint8(xxhash.Sum64(k[:])) }
func (k nodeKey) bucket() uint8       { return uint8(k) }
func (k resourceKey) bucket() uint8   { return nameKey(k.name).bucket() + uint8(k.kind) }
func (k credentialKey) bucket() uint8 { return nameKey(k.name).bucket() + uint8(k.mechanism) }

func (k nameKey) compare(o nameKey) int { return strings.Compare(string(k), string(o)) }
func (k uuidKey) compare(o uuidKey) int { return bytes.Compare(k[:], o[:]) }
func (k nodeKey) compare(o nodeKey) int { return cmp.Compare(k, o) }
func (k resourceKey) compare(o resourceKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), strings.Compare(k.name, o.name))
}
func (k credentialKey) compare(o credentialKey) int {
	return cmp.Or(strings.Compare(k.name, o.name), cmp.Compare(k.mechanism, o.mechanism))
}

type pair[K, V any] struct {
	key   K
	value V
}

// table is a persistent map: a copy of it is a snapshot, and who changes one says through an owner which parts of it nobody else sees
// yet. Invariants: each bucket is sorted by key; an empty bucket is nil; a table without entries is the zero table, so that equal
// tables are deeply equal.
type table[K key[K], V any] struct {
	top *[buckets][]pair[K, V]
	n   int
}

// owner remembers what of a table was copied since the last snapshot. Its zero value owns nothing.
type owner struct {
	top     bool
	buckets [buckets / 64]uint64
}

func find[K key[K], V any](bucket []pair[K, V], k K) (int, bool) {
	return slices.BinarySearchFunc(bucket, k, func(p pair[K, V], k K) int { return p.key.compare(k) })
}

func (t *table[K, V]) get(k K) (value V, ok bool) {
	if t.top == nil {
		return value, false
	}
	bucket := t.top[k.bucket()]
	i, ok := find(bucket, k)
	if ok {
		value = bucket[i].value
	}
	return value, ok
}

// own makes the bucket of k writable and returns it.
func (t *table[K, V]) own(o *owner, k K) *[]pair[K, V] {
	if !o.top || t.top == nil {
		top := new([buckets][]pair[K, V])
		if t.top != nil {
			*top = *t.top
		}
		t.top, *o = top, owner{top: true}
	}
	i := k.bucket()
	if word, bit := i/64, uint64(1)<<(i%64); o.buckets[word]&bit == 0 {
		t.top[i] = slices.Clone(t.top[i])
		o.buckets[word] |= bit
	}
	return &t.top[i]
}

func (t *table[K, V]) put(o *owner, k K, v V) {
	bucket := t.own(o, k)
	i, found := find(*bucket, k)
	if found {
		(*bucket)[i].value = v
		return
	}
	*bucket = slices.Insert(*bucket, i, pair[K, V]{k, v})
	t.n++
}

// remove says whether k was there.
func (t *table[K, V]) remove(o *owner, k K) bool {
	if _, found := t.get(k); !found {
		return false
	}
	bucket := t.own(o, k)
	i, _ := find(*bucket, k)
	*bucket = slices.Delete(*bucket, i, i+1)
	if len(*bucket) == 0 {
		*bucket = nil
	}
	if t.n--; t.n == 0 {
		*t = table[K, V]{}
	}
	return true
}

// all yields the entries by rising key. It sorts them first: O(n log n).
func (t *table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.top == nil {
			return
		}
		sorted := make([]pair[K, V], 0, t.n)
		for _, bucket := range t.top {
			sorted = append(sorted, bucket...)
		}
		slices.SortFunc(sorted, func(a, b pair[K, V]) int { return a.key.compare(b.key) })
		for _, p := range sorted {
			if !yield(p.key, p.value) {
				return
			}
		}
	}
}
