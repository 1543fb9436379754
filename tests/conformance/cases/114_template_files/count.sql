-- {{ params.word }}
SELECT {{ params.word | length }} - 2;
