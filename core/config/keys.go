// Package config holds every configuration key once: its type, default, bounds and doc. The command line, the node and topic configs read it.
package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"odradek/core/record"
)

// Type is the type of a key's value, as Kafka names them.
type Type uint8

// The types.
const (
	Bool Type = iota + 1
	Int
	Long
	String
	List
	Double // a number from 0 to 1, as text: nothing here computes with one
	Short
	Number // any number, of a key without effect
	Class
	Password // whose value is never shown
)

// Key is one configuration key. Value and bounds of Int and Long are in the unit that the name ends in.
type Key struct {
	Name     string
	Type     Type
	Default  string
	Min, Max int64    // Int and Long
	Not0     bool     // Int: 0 lies between the bounds and is no value
	Valid    []string // String, List: the allowed values; nil: any
	Optional bool     // without a default: no value is a value
	Fixed    string   // why no other value than the default is accepted; empty: others are
	Doc      string
}

// widths are Kafka's names of the types of whole numbers.
var widths = map[Type]string{Int: "INT", Long: "LONG", Short: "SHORT"}

// Check reports what is wrong with value, if anything.
func (k *Key) Check(value string) error {
	if k.Optional && value == "" {
		return nil
	}
	if k.Fixed != "" && value != k.Default {
		return fmt.Errorf("%s can only be %q, not %q: %s", k.Name, k.Default, value, k.Fixed)
	}
	switch k.Type {
	case Double:
		if !isFraction(value) {
			return fmt.Errorf("%s must be a number from 0 to 1, not %q", k.Name, value)
		}
	case Bool:
		if value != "true" && value != "false" {
			return fmt.Errorf("%s must be true or false, not %q", k.Name, value)
		}
	case Number:
		if value == "" || strings.Trim(value, "+-.0123456789eE") != "" {
			return fmt.Errorf("%s must be a number, not %q", k.Name, value)
		}
	case Int, Long, Short:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("Invalid value %s for configuration %s: Not a number of type %s", value, k.Name, widths[k.Type])
		}
		if k.Not0 && n == 0 {
			return fmt.Errorf("%s must lie between 1 and %d or be %d, not 0", k.Name, k.Max, k.Min)
		}
		if n < k.Min || n > k.Max {
			return fmt.Errorf("%s must lie between %d and %d, not %d", k.Name, k.Min, k.Max, n)
		}
	case String:
		return k.oneOf(value)
	case List:
		for _, part := range splitList(value) {
			if err := k.oneOf(part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *Key) oneOf(value string) error {
	if k.Valid == nil || slices.Contains(k.Valid, value) {
		return nil
	}
	return fmt.Errorf("%s must be one of %s, not %q", k.Name, strings.Join(k.Valid, ", "), value)
}

// isFraction reports whether s is a decimal number from 0 to 1.
func isFraction(s string) bool {
	whole, fraction, _ := strings.Cut(s, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return false
	}
	whole = strings.TrimLeft(whole, "0")
	return whole == "" || whole == "1" && strings.Trim(fraction, "0") == ""
}

// Find returns the key of that name in a table.
func Find(table []Key, name string) (*Key, bool) {
	for i := range table {
		if table[i].Name == name {
			return &table[i], true
		}
	}
	return nil, false
}

// Nearest is the candidate that a mistyped name probably meant.
func Nearest(name string, candidates []string) string {
	best, _ := nearest(name, "", math.MaxInt, candidates)
	return best
}

// nearest returns the candidate that needs the fewest edits to become name (what a typo probably meant), if fewer than best's.
func nearest(name, best string, distance int, candidates []string) (string, int) {
	for _, c := range candidates {
		if d := edits(name, c); d < distance {
			best, distance = c, d
		}
	}
	return best, distance
}

func names(table []Key) []string {
	out := make([]string, len(table))
	for i := range table {
		out[i] = table[i].Name
	}
	return out
}

// edits is the Levenshtein distance of a and b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// values are the settings of one table after parsing: what was set and the defaults for the rest.
type values struct {
	table []Key
	set   map[string]string
}

func parse(table []Key, entries []Entry) (values, error) {
	v := values{table, make(map[string]string, len(entries))}
	for _, e := range entries {
		k, ok := Find(table, e.Key)
		if !ok {
			best, _ := nearest(e.Key, "", math.MaxInt, names(table))
			return v, wrong(e.Key, "unknown configuration key %q: did you mean %q?", e.Key, best)
		}
		value := strings.TrimSpace(e.Value) // as Kafka: spaces around a value mean nothing
		if err := k.Check(value); err != nil {
			return v, &KeyError{e.Key, err}
		}
		v.set[e.Key] = value
	}
	return v, nil
}

// Entry is one setting as it was given.
type Entry struct{ Key, Value string }

func (v *values) text(name string) string {
	if s, ok := v.set[name]; ok {
		return s
	}
	k, ok := Find(v.table, name)
	if !ok {
		panic("invariant: configuration key not in its table: " + name)
	}
	return k.Default
}

func (v *values) long(name string) int64 {
	n, err := strconv.ParseInt(v.text(name), 10, 64)
	if err != nil {
		panic("invariant: configuration value was not checked: " + name)
	}
	return n
}

func (v *values) flag(name string) bool { return v.text(name) == "true" }

// compressions are the values of compression.type.
var compressions = []string{"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"}

// parseCompression returns the codec of a value of compression.type.
func parseCompression(s string) record.CodecID {
	switch s {
	case "gzip":
		return record.CodecGzip
	case "snappy":
		return record.CodecSnappy
	case "lz4":
		return record.CodecLZ4
	case "zstd":
		return record.CodecZstd
	case "uncompressed":
		return record.CodecNone
	}
	return record.CodecProducer
}
