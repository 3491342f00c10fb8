// Package properties reads and writes the text format of java.util.Properties: server.properties and meta.properties are written in it.
package properties

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Property is one entry of a file.
type Property struct {
	Key, Value string
	Line       int // where it begins, from 1
}

// blanks are what java.util.Properties takes for white space.
const blanks = " \t\f"

// Parse reads what java.util.Properties.load does: one key and value a line, parted by =, : or blanks; # and ! begin comments; a backslash at
// the end of a line continues it, and elsewhere it escapes (\n, \t, \r, \f, \uXXXX). Unlike Java it takes other bytes as UTF-8, as people write them.
func Parse(text string) ([]Property, error) {
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	var out []Property
	for i := 0; i < len(lines); i++ {
		first := i + 1
		line := strings.TrimLeft(lines[i], blanks)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) {
			line = line[:len(line)-1]
			if i++; i < len(lines) {
				line += strings.TrimLeft(lines[i], blanks)
			}
		}
		key, value := split(line)
		p := Property{Line: first}
		var err error
		if p.Key, err = unescape(key); err == nil {
			p.Value, err = unescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// Escape writes a key or a value so that Parse, and Java, read it as it was.
func Escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`, " ", `\ `, "=", `\=`, ":", `\:`, "#", `\#`, "!", `\!`).Replace(s)
}

// continues reports whether a line ends in a backslash that is not itself escaped.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// split parts key and value at the first =, : or blank that is not escaped.
func split(line string) (key, value string) {
	end := 0
	for end < len(line) && !strings.ContainsRune("=:"+blanks, rune(line[end])) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	key, value = line[:end], strings.TrimLeft(line[end:], blanks)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], blanks)
	}
	return key, value
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			if s[i] != '\\' {
				out.WriteByte(s[i])
			}
			continue
		}
		switch i++; s[i] {
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			r, size, err := unicode(s[i:])
			if err != nil {
				return "", err
			}
			out.WriteRune(r)
			i += size - 1
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), nil
}

// unicode reads uXXXX, or two of them that make one character; size counts the bytes after the first backslash.
func unicode(s string) (r rune, size int, err error) {
	unit := func(at int) (rune, bool) {
		if len(s) < at+5 {
			return 0, false
		}
		n, err := strconv.ParseUint(s[at+1:at+5], 16, 16)
		return rune(n), err == nil
	}
	first, ok := unit(0)
	if !ok {
		return 0, 0, fmt.Errorf(`\u wants four hexadecimal digits`)
	}
	if utf16.IsSurrogate(first) && strings.HasPrefix(s[5:], `\u`) {
		if second, ok := unit(6); ok && utf16.DecodeRune(first, second) != '�' {
			return utf16.DecodeRune(first, second), 11, nil
		}
	}
	return first, 5, nil
}
