/*
 * wordcount: any program that reads standard input and writes standard output
 * is a plugin. This one counts lines, words and bytes, in C with wasi-libc. What
 * it cannot do it says on standard error, and ends with another code than 0.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    unsigned long long lines = 0, words = 0, bytes = 0;
    int c, in_word = 0;
    while ((c = getchar()) != EOF) {
        bytes++;
        if (c == 0) {
            fprintf(stderr, "byte %llu is 0: this is no text\n", bytes);
            return EXIT_FAILURE;
        }
        if (c == '\n') lines++;
        if (isspace(c)) in_word = 0;
        else if (!in_word) in_word = 1, words++;
    }
    if (ferror(stdin)) {
        perror("standard input");
        return EXIT_FAILURE;
    }
    printf("{\"lines\":%llu,\"words\":%llu,\"bytes\":%llu}\n", lines, words, bytes);
    return EXIT_SUCCESS;
}
