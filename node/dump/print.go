package dump

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"odradek/core/record"
)

// field is one named value of a row. Values: integers, strings, bools, octets, and rawJSON.
type field struct {
	name  string
	value any
}

// octets are bytes of a user: nil is null.
type octets []byte

// rawJSON is JSON text.
type rawJSON string

// printer prints rows in one of three forms.
type printer struct {
	out   *bufio.Writer
	json  bool
	table bool
	tab   *tabwriter.Writer
	head  string // the header that stands above
	rows  int    // below it
}

// rowsPerTable bounds how many rows wait for their columns' widths.
const rowsPerTable = 1000

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// row prints one row of a file.
func (p *printer) row(path, kind string, fields ...field) {
	fields = append([]field{{"file", path}, {"kind", kind}}, fields...)
	switch {
	case p.json:
		p.out.WriteByte('{')
		for i, f := range fields {
			if i > 0 {
				p.out.WriteByte(',')
			}
			p.out.WriteString(strconv.Quote(f.name) + ":" + jsonText(f.value))
		}
		p.out.WriteString("}\n")
	case p.table:
		p.tableRow(fields)
	default:
		for i, f := range fields {
			if i > 0 {
				p.out.WriteByte('\t')
			}
			p.out.WriteString(plainText(f.value))
		}
		p.out.WriteByte('\n')
	}
}

// tableRow aligns rows; the file stands above them, and the header again wherever the kind of row changes.
func (p *printer) tableRow(fields []field) {
	var head, line strings.Builder
	fmt.Fprintln(&head, fields[0].value)
	for i, f := range fields[1:] {
		sep := "\t"
		if i == len(fields)-2 {
			sep = "\n"
		}
		head.WriteString(strings.ToUpper(f.name) + sep)
		line.WriteString(plainText(f.value) + sep)
	}
	if h := head.String(); h != p.head || p.rows >= rowsPerTable {
		p.finish()
		p.tab = tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
		path, columns, _ := strings.Cut(h, "\n")
		if before, _, _ := strings.Cut(p.head, "\n"); before != path {
			fmt.Fprintln(p.out, path)
		}
		_, _ = io.WriteString(p.tab, "  "+columns)
		p.head, p.rows = h, 0
	}
	_, _ = io.WriteString(p.tab, "  "+line.String())
	p.rows++
}

// finish writes what waits for its columns' widths.
func (p *printer) finish() {
	if p.tab != nil {
		_ = p.tab.Flush()
	}
}

// plainText is a value in a table or between tabs: one line, without tabs.
func plainText(v any) string {
	switch v := v.(type) {
	case octets:
		if v == nil {
			return "null"
		}
		return strconv.Quote(string(v))
	case rawJSON:
		return string(v)
	case string:
		if strings.ContainsAny(v, "\t\n\r") {
			return strconv.Quote(v)
		}
		return v
	}
	return fmt.Sprint(v)
}

// jsonText is a value in JSON. Octets that are no text become {"base64":"…"}.
func jsonText(v any) string {
	switch v := v.(type) {
	case octets:
		switch {
		case v == nil:
			return "null"
		case !utf8.Valid(v):
			return `{"base64":"` + base64.StdEncoding.EncodeToString(v) + `"}`
		}
		return jsonText(string(v))
	case rawJSON:
		return string(v)
	case fmt.Stringer:
		return jsonText(v.String())
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return strconv.Quote(err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// structJSON is a metadata record in JSON: the fields in the order of the struct, ids as Kafka prints them, bytes in base64.
func structJSON(v reflect.Value) rawJSON {
	var b strings.Builder
	writeJSON(&b, v)
	return rawJSON(b.String())
}

func writeJSON(b *strings.Builder, v reflect.Value) {
	if id, ok := v.Interface().(record.UUID); ok {
		b.WriteString(jsonText(id.String()))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			b.WriteString("null")
			return
		}
		writeJSON(b, v.Elem())
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(v.Type().Field(i).Name) + ":")
			writeJSON(b, v.Field(i))
		}
		b.WriteByte('}')
	case reflect.Slice:
		if bytes, ok := v.Interface().([]byte); ok || v.IsNil() {
			b.WriteString(jsonText(bytes)) // base64, or null
			return
		}
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, v.Index(i))
		}
		b.WriteByte(']')
	default:
		b.WriteString(jsonText(v.Interface()))
	}
}
