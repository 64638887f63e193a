package wire

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

const testNonce = "0123456789abcdef"

func framed(seq int, verb, data string) string {
	if strings.HasPrefix(verb, "+") {
		return fmt.Sprintf("\n%s %d %s\n%s\n%s %d E\n", testNonce, seq, verb, data, testNonce, seq)
	}
	return fmt.Sprintf("\n%s %d %s\n", testNonce, seq, verb)
}

func TestReader(t *testing.T) {
	binary := string(everyByte(100_000))
	stream := "Welcome\nno end" + framed(0, "HELLO 1", "") + "noise" + framed(1, "F a  b c", "") +
		framed(1, "+D id out 0 3 0", "a\nb") + framed(1, "+D id err 0 0 0", "") + framed(1, "+FACTS", binary) +
		framed(1, "+X", "\n\n"+testNonce+" 2 E") + framed(1, "END", "") + framed(2, "END", "")
	for _, r := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
		rd := NewReader(r, testNonce)
		f, err := rd.Next()
		require.NoError(t, err)
		require.Equal(t, Frame{Verb: "HELLO", Args: []string{"1"}, Text: "1"}, f)
		frames, err := rd.Answer(1)
		require.NoError(t, err)
		require.Len(t, frames, 5)
		require.Equal(t, Frame{Seq: 1, Verb: "F", Args: []string{"a", "b", "c"}, Text: "a  b c"}, frames[0])
		require.Equal(t, "a\nb", string(frames[1].Data))
		require.NotNil(t, frames[2].Data)
		require.Empty(t, frames[2].Data)
		require.True(t, bytes.Equal([]byte(binary), frames[3].Data))
		require.Equal(t, "\n\n"+testNonce+" 2 E", string(frames[4].Data))
		require.Equal(t, "Welcome\nno end\nnoise\n", rd.Noise())
		_, err = rd.Answer(2)
		require.NoError(t, err)
		_, err = rd.Next()
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestReaderRefuses(t *testing.T) {
	_, err := NewReader(strings.NewReader(framed(1, "+D", strings.Repeat("x", MaxFrame))+"\n"), testNonce).Next()
	require.ErrorIs(t, err, ErrFrameTooLong)
	_, err = NewReader(strings.NewReader(framed(1, "F "+strings.Repeat("x", maxLine), "")), testNonce).Next()
	require.ErrorIs(t, err, ErrFrameTooLong)
	_, err = NewReader(strings.NewReader("\n"+testNonce+" 1 +D\nhalf"), testNonce).Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	// Noise without end takes no memory.
	r := NewReader(io.LimitReader(endless{}, 100<<20), testNonce)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
	require.LessOrEqual(t, cap(r.noise), 4*maxLine)
	require.Len(t, r.Noise(), keepNoise)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(framed(0, "HELLO 1", "") + "x" + framed(1, "+D id out 0 3 0", "a\nb") + framed(1, "END", "")))
	f.Add([]byte("\n" + testNonce + " 1 +D\n\n" + testNonce + " 1 E\n" + testNonce + " 99999999999999999999 X\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), testNonce)
		for {
			fr, err := r.Next()
			if err != nil {
				break
			}
			require.NotEmpty(t, fr.Verb)
			require.GreaterOrEqual(t, fr.Seq, 0)
		}
		require.LessOrEqual(t, len(r.Noise()), keepNoise)
	})
}

// Data comes out as it went in, whatever it is.
func FuzzReaderData(f *testing.F) {
	f.Add([]byte("a\nb"), 3)
	f.Add([]byte("\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, chunk int) {
		if bytes.Contains(b, []byte(testNonce)) {
			t.Skip()
		}
		src := strings.NewReader(framed(1, "+D x", string(b)) + framed(1, "END", ""))
		frames, err := NewReader(iotest.HalfReader(src), testNonce).Answer(1)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, frames[0].Data))
	})
}

func FuzzDecoders(f *testing.F) {
	f.Add("I - 5000 18 vm 58a3237e-e5dd-9a30-5753-81ed611c430e",
		"asked j-0123456789abcdef\ngo j-0123456789abcdef 1 a 2 3 b h 18 4 5 6 7 .\nrun j-0123456789abcdef 4 5 .\nst 2 S 3\n"+
			"-rw------- 1 0 0 4 Nov 22 09:04 j-0123456789abcdef/out\n-rw------- 1 0 0 0 Nov 22 09:04 j-0123456789abcdef/rc,0,-,5\n"+
			"end j-0123456789abcdef 5 .\nleft j-0123456789abcdef 1 .\nkilled j-0123456789abcdef 1 2 .\ncause j-0123456789abcdef timeout 1 2 .",
		"j-0123456789abcdef out 0 4 1", "text")
	f.Add("R started", "T go x", "R exists x", "F base /x")
	f.Fuzz(func(t *testing.T, first, facts, header, data string) {
		verb, text, _ := strings.Cut(first, " ")
		frames := []Frame{{Seq: 1, Verb: verb, Text: text, Args: strings.Fields(text)},
			{Seq: 1, Verb: "FACTS", Data: []byte(facts)},
			{Seq: 1, Verb: "D", Text: header, Args: strings.Fields(header), Data: []byte(data)},
			{Seq: 1, Verb: "T", Text: facts}, {Seq: 1, Verb: "F", Text: header, Args: strings.Fields(header)},
			{Seq: 1, Verb: "C", Text: header, Args: strings.Fields(header)}}
		look := Look{Jobs: []LookJob{{Base: "/b", ID: "j-0123456789abcdef", Out: Window{Offset: 1, Max: 2}}}}
		for _, l := range []func() (Looked, error){
			func() (Looked, error) { return DecodeLook(frames, look) },
			func() (Looked, error) { return DecodeList(frames, List{Base: "/b"}) },
		} {
			got, err := l()
			if err != nil {
				require.ErrorIs(t, err, ErrAnswer)
			}
			for _, j := range got.Jobs {
				st, _ := j.Derive(got.Identity)
				require.NotEmpty(t, st)
			}
		}
		_ = DecodePing(frames)
		_, _ = DecodeProbe(frames)
		_, _ = DecodeStart(frames)
		_, _ = DecodeKill(frames)
		_, _ = DecodeClean(frames)
		_, _ = DecodeReboot(frames)
		_, _ = DecodeRebootStatus(frames)
	})
}
