# Hashes, sorting, regular expressions, formats and recursion.
use strict;
use warnings;

my ($state, %count, @words) = (12345);
sub pseudo { $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $_[0] }
for (1 .. 12000) {
    my $word = join '', map { chr(97 + pseudo(26)) } 1 .. 2 + pseudo(3);
    $count{$word}++;
    push @words, $word;
}
print "distinct ", scalar(keys %count), "\n";
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
print join(' ', map { "$_=$count{$_}" } @top), "\n";
my $text = join ' ', @words;
print "vowels ", ($text =~ tr/aeiou//), "\n";
my $pairs = () = $text =~ /\b(\w)\w*\1\b/g;
(my $changed = $text) =~ s/(\w)(\w+)/\u$2$1/g;
printf "pairs %d, changed %s, checksum %d\n", $pairs, substr($changed, 0, 30), unpack('%32C*', $changed);
sub ackermann { my ($m, $n) = @_; no warnings 'recursion';
    return $n + 1 if $m == 0; return ackermann($m - 1, 1) if $n == 0;
    return ackermann($m - 1, ackermann($m, $n - 1)) }
print "ackermann ", ackermann(2, 60), "\n";
my ($sum, $product) = (0, 1);
for my $i (1 .. 40000) { $sum += sin($i) / $i; $product *= 1 + 1 / ($i * $i) }
printf "%.15g %.15g %e %x %s\n", $sum, $product, 2**0.5, 3735928559, join ',', unpack('H*', pack('d>', $sum));
my @sorted = sort { $a <=> $b } map { pseudo(1000000) } 1 .. 8000;
print "sorted @sorted[0, 1, 4000, 7999]\n";
print "reverse ", scalar reverse('virtual machine'), ' ', ucfirst lc('RECORD'), ' ', sprintf('%08.3f|%-6s|%+d', 3.14159, 'ab', 7), "\n";
